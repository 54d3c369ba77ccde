//! What is shown against what was done: a program whose connections, bytes, waits, lines and delays
//! are known is asked from outside, and each number is compared with what it did, with what /proc
//! says of the same descriptor, and with the system calls that strace has counted.

mod churn;
mod known;
mod outside;
mod queued;
mod traced;

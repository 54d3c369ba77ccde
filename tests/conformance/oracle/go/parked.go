package main

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"time"
)

// goroutineID is the number in the header of this goroutine's own stack.
func goroutineID() int64 {
	stack := make([]byte, 64)
	stack = stack[:runtime.Stack(stack, false)]
	fields := bytes.Fields(stack)
	id, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		panic(err)
	}
	return id
}

// stack is the part of all stacks that is the lane's: its state in the first line, then its calls.
func (l *lane) stack() []byte {
	all := make([]byte, 1<<20)
	for {
		n := runtime.Stack(all, true)
		if n < len(all) {
			all = all[:n]
			break
		}
		all = make([]byte, 2*len(all))
	}
	header := fmt.Appendf(nil, "goroutine %d [", l.id)
	for stack := range bytes.SplitSeq(all, []byte("\n\n")) {
		if bytes.HasPrefix(stack, header) {
			return stack[len(header):]
		}
	}
	return nil
}

// parked waits until the lane is parked: in the poller, or on the lock of its descriptor.
func (l *lane) parked(lock bool) string {
	state, inside := []byte("IO wait"), []byte("internal/poll.runtime_pollWait")
	if lock {
		state, inside = []byte("semacquire"), []byte("internal/poll.(*fdMutex).rwlock")
	}
	for began := time.Now(); time.Since(began) < limit; time.Sleep(50 * time.Microsecond) {
		if l.wait(0) {
			return "NOTPARKED " + l.outcome
		}
		stack := l.stack()
		if bytes.HasPrefix(stack, state) && bytes.Contains(stack, inside) {
			return "PARKED"
		}
	}
	return "HANG"
}

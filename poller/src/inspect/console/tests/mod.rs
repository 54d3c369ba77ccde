//! Every message that a client would get, through the validator.
//!
//! | file | tests |
//! |---|---|
//! | `model` | what is shown of pollers that follow a script |
//! | `endpoint` | clients on a real endpoint |
//! | `validator` | the validator itself |

mod endpoint;
mod model;
mod validator;

//! Every message that a client would get, through the validator.
//!
//! | file | tests |
//! |---|---|
//! | `model` | what is shown of pollers that follow a script |
//! | `told` | what is shown of messages that tell of such a poller is the same |
//! | `client_view` | what clients are told of it, then and later |
//! | `script` | such a poller, and a client |
//! | `endpoint` | clients on a real endpoint |
//! | `validate` | what the client demands of every message |
//! | `validator` | a test of that |

mod client_view;
mod endpoint;
mod model;
mod script;
mod told;
mod validate;
mod validator;

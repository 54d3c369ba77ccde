//! What a real Prometheus and promtool make of each way to them: the server, the route of a server
//! of one's own, the collector of `prometheus-client` and the bridge to the facade `metrics`.

mod adapters;
mod examples;
mod prometheus;
mod server;
mod tools;

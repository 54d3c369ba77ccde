//! Listeners that are in no hurry.

use async_executor::LocalExecutor;
use netpoller::net::TcpListener;
use netpoller::{task, time};
use netpoller_tests::{loopback, new_poller};

use super::{Service, silent};

#[test]
fn an_acceptor_that_pauses_between_two_connections_is_no_fault() {
    let name = "listeners::an_acceptor_that_pauses_between_two_connections_is_no_fault";
    silent(name, |pace| {
        let poller = new_poller();
        let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
        let address = listener.local_addr().unwrap();
        let accepts = async move {
            let mut accepted = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.push(stream);
                time::sleep(pace.of(10.0)).await;
            }
        };
        let spawn = move |executor: &LocalExecutor<'static>| {
            executor.spawn(task::named("acceptor", accepts)).detach();
        };
        let service = Service::start(&poller, Box::new(spawn));
        let clients: Vec<_> = (0..20)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        Box::new((service, clients))
    });
}

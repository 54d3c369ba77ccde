//! An inspection endpoint without a poller behind it, serving made-up rows.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use netpoller_proto::v1;
use netpoller_proto::v1::inspector_server::{Inspector, InspectorServer};
use netpoller_proto::v1::{
    GetServerRequest, GetServerResponse, GetStatsRequest, GetStatsResponse, ListDescriptorsRequest,
    ListDescriptorsResponse, ListSitesRequest, ListSitesResponse, WatchFrame, WatchRequest,
};
use tempfile::TempDir;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream, UnixListenerStream};
use tonic::{Request, Response, Status};

use crate::rows::{self, NOW_NS};

/// What the mock pretends to be.
#[derive(Debug, Clone)]
pub struct Mock {
    /// Rows in its table.
    pub rows: u32,
    /// Version of the protocol that it claims to speak.
    pub protocol: u32,
    /// What stands before the paths of its source.
    pub folder: &'static str,
    /// It accepts requests and never answers.
    pub silent: bool,
    /// It finds that its table takes it too long, and says so.
    pub gives_up: bool,
    /// It sends so many groups and then breaks the stream.
    pub groups: Option<u64>,
    /// What it finds wrong with itself; without it, it is too old to be asked.
    pub diagnosis: Option<v1::DiagnoseResponse>,
    /// The lints that it says it knows.
    pub lints: Vec<v1::Lint>,
    /// Its laws; without them, it is too old to be asked.
    pub laws: Option<v1::AuditResponse>,
    /// How often it was looked at.
    pub clock: Arc<AtomicU64>,
    /// How often it was asked which lines open descriptors; without it, it is too old for that.
    pub sites: Option<Arc<AtomicU64>>,
    /// How often it was asked for a descriptor in full, in which it tells the calls of who waits;
    /// without it, it is too old for that.
    pub details: Option<Arc<AtomicU64>>,
}

impl Mock {
    /// A healthy server with so many rows.
    pub fn new(rows: u32) -> Self {
        Self {
            rows,
            protocol: netpoller_proto::PROTOCOL,
            folder: "",
            silent: false,
            gives_up: false,
            groups: None,
            diagnosis: None,
            lints: Vec::new(),
            laws: None,
            clock: Arc::default(),
            sites: None,
            details: None,
        }
    }

    fn row(&self, slot: u32, now_ns: u64) -> v1::Descriptor {
        let mut row = rows::row(slot, now_ns);
        row.opened_location.insert_str(0, self.folder);
        for side in [&mut row.read, &mut row.write] {
            if let Some(waiter) = side.as_mut().and_then(|side| side.waiter.as_mut()) {
                waiter.location.insert_str(0, self.folder);
            }
        }
        row
    }

    fn tick(&self) -> (u64, u64) {
        let tick = self.clock.fetch_add(1, Ordering::Relaxed);
        (tick, NOW_NS + tick * 1_000_000_000)
    }

    async fn answer(&self) {
        if self.silent {
            std::future::pending::<()>().await;
        }
    }
}

#[tonic::async_trait]
impl Inspector for Mock {
    async fn get_server(
        &self,
        _: Request<GetServerRequest>,
    ) -> Result<Response<GetServerResponse>, Status> {
        self.answer().await;
        let mut server = rows::server(self.rows.into(), NOW_NS);
        server.protocol = self.protocol;
        server.lints = self.lints.clone();
        Ok(Response::new(server))
    }

    async fn list_descriptors(
        &self,
        request: Request<ListDescriptorsRequest>,
    ) -> Result<Response<ListDescriptorsResponse>, Status> {
        if self.gives_up {
            return Err(Status::cancelled("Timeout expired"));
        }
        let request = request.into_inner();
        let first: u32 = match request.page_token.as_str() {
            "" => 0,
            token => token
                .parse()
                .map_err(|_| Status::invalid_argument("page_token"))?,
        };
        let size = match request.page_size {
            0 => 1000,
            size => size.min(1000),
        };
        let next = first.saturating_add(size).min(self.rows);
        let waiting = |row: &netpoller_proto::v1::Descriptor| {
            [&row.read, &row.write]
                .into_iter()
                .flatten()
                .any(netpoller_proto::v1::Direction::is_waiting)
        };
        Ok(Response::new(ListDescriptorsResponse {
            captured_at_ns: NOW_NS,
            descriptors: (first..next)
                .map(|slot| self.row(slot, NOW_NS))
                .filter(|row| !request.waiting_only || waiting(row))
                .collect(),
            next_page_token: if next < self.rows {
                next.to_string()
            } else {
                String::new()
            },
            sockets_at_ns: if request.sockets { NOW_NS } else { 0 },
            ..Default::default()
        }))
    }

    async fn list_sites(
        &self,
        _: Request<ListSitesRequest>,
    ) -> Result<Response<ListSitesResponse>, Status> {
        let Some(asked) = &self.sites else {
            return Err(Status::unimplemented("the mock is older"));
        };
        let tick = asked.fetch_add(1, Ordering::Relaxed);
        let now_ns = NOW_NS + tick * 1_000_000_000;
        Ok(Response::new(rows::sites(now_ns, tick)))
    }

    async fn get_stats(
        &self,
        _: Request<GetStatsRequest>,
    ) -> Result<Response<GetStatsResponse>, Status> {
        Ok(Response::new(rows::stats(self.rows.into(), NOW_NS, 0)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchFrame, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.answer().await;
        let request = request.into_inner();
        let interval = Duration::from_nanos(request.interval_ns.max(100_000_000));
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        let mock = self.clone();
        tokio::spawn(async move {
            for sequence in 0.. {
                if mock.groups.is_some_and(|groups| sequence >= groups) {
                    let _ = sender
                        .send(Err(Status::unavailable(
                            "the mock was told to break the stream",
                        )))
                        .await;
                    return;
                }
                for frame in mock.group(sequence, request.stats) {
                    if sender.send(Ok(frame)).await.is_err() {
                        return;
                    }
                }
                tokio::time::sleep(interval).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn get_descriptor(
        &self,
        request: Request<v1::GetDescriptorRequest>,
    ) -> Result<Response<v1::GetDescriptorResponse>, Status> {
        let Some(asked) = &self.details else {
            return Err(Status::unimplemented("the mock is older"));
        };
        asked.fetch_add(1, Ordering::Relaxed);
        let id = request.into_inner().id;
        let mut rows = (0..self.rows).map(|slot| self.row(slot, NOW_NS));
        let mut row = rows
            .find(|row| row.id().to_string() == id)
            .ok_or_else(|| Status::not_found(id))?;
        let sides = [&mut row.read, &mut row.write].into_iter().flatten();
        for waiter in sides.filter_map(|side| side.waiter.as_mut()) {
            waiter.stack = rows::stack();
        }
        Ok(Response::new(v1::GetDescriptorResponse {
            captured_at_ns: NOW_NS,
            descriptor: Some(row),
            epoch: 1,
            ..Default::default()
        }))
    }

    type WatchTransitionsStream =
        Pin<Box<dyn Stream<Item = Result<v1::TransitionsFrame, Status>> + Send>>;

    async fn watch_transitions(
        &self,
        _: Request<v1::WatchTransitionsRequest>,
    ) -> Result<Response<Self::WatchTransitionsStream>, Status> {
        Err(Status::unimplemented("WatchTransitions"))
    }

    type WatchLatenciesStream =
        Pin<Box<dyn Stream<Item = Result<v1::LatenciesFrame, Status>> + Send>>;

    async fn watch_latencies(
        &self,
        _: Request<v1::WatchLatenciesRequest>,
    ) -> Result<Response<Self::WatchLatenciesStream>, Status> {
        Err(Status::unimplemented("WatchLatencies"))
    }

    async fn audit(
        &self,
        _: Request<v1::AuditRequest>,
    ) -> Result<Response<v1::AuditResponse>, Status> {
        let laws = self.laws.clone();
        laws.map(Response::new)
            .ok_or_else(|| Status::unimplemented("Audit"))
    }

    async fn diagnose(
        &self,
        request: Request<v1::DiagnoseRequest>,
    ) -> Result<Response<v1::DiagnoseResponse>, Status> {
        self.answer().await;
        let request = request.into_inner();
        let mut diagnosis = self
            .diagnosis
            .clone()
            .ok_or_else(|| Status::unimplemented("Diagnose"))?;
        // A window takes its time, though less than a real one.
        tokio::time::sleep(Duration::from_nanos(request.window_ns) / 20).await;
        diagnosis.findings.retain(|finding| {
            let held = request
                .hold_ns
                .get(&finding.lint)
                .copied()
                .unwrap_or_default();
            !request.allow.contains(&finding.lint) && NOW_NS - finding.since_ns >= held
        });
        Ok(Response::new(diagnosis))
    }
}

impl Mock {
    /// A keyframe in pieces of 200 rows; then some rows change, some go and some come.
    fn group(&self, sequence: u64, stats: bool) -> Vec<WatchFrame> {
        let (tick, now_ns) = self.tick();
        let frame = || WatchFrame {
            sequence,
            captured_at_ns: now_ns,
            epoch: 1,
            keyframe: sequence == 0,
            ..Default::default()
        };
        let mut frames: Vec<WatchFrame> = if sequence == 0 {
            (0..self.rows)
                .collect::<Vec<_>>()
                .chunks(200)
                .map(|slots| WatchFrame {
                    upserts: slots.iter().map(|slot| self.row(*slot, now_ns)).collect(),
                    ..frame()
                })
                .collect()
        } else {
            let mut frame = frame();
            for slot in (0..self.rows).filter(|slot| (u64::from(*slot) + tick) % 7 == 0) {
                let mut row = self.row(slot, now_ns);
                if slot > 0 && (u64::from(slot) + tick) % 5 == 0 {
                    frame.removes.push(row.key());
                    row.generation += 100;
                    if tick % 2 == 0 {
                        frame.removes.push(row.key());
                        continue;
                    }
                }
                frame.upserts.push(row);
            }
            vec![frame]
        };
        if frames.is_empty() {
            frames.push(frame());
        }
        if let Some(last) = frames.last_mut() {
            last.end = true;
            last.lost = u64::from(tick % 20 == 19);
            last.stats = stats.then(|| rows::stats(self.rows.into(), now_ns, tick));
        }
        frames
    }

    /// Serves on a Unix socket until the runtime ends.
    ///
    /// # Panics
    ///
    /// If it cannot listen there.
    pub async fn serve(self, socket: &Path) {
        let listener = tokio::net::UnixListener::bind(socket).expect("bind the mock's socket");
        self.serve_on(listener).await;
    }

    async fn serve_on(self, listener: tokio::net::UnixListener) {
        tonic::transport::Server::builder()
            .add_service(InspectorServer::new(self))
            .serve_with_incoming(UnixListenerStream::new(listener))
            .await
            .expect("serve");
    }
}

/// A mock that serves in the background of this process.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub socket: PathBuf,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Running {
    /// Starts it at a plain name, by which nobody finds it, in a directory of its own. With it go
    /// the directory and the target to name.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn alone(mock: Mock) -> (TempDir, Self, String) {
        let scratch = TempDir::new().expect("make a directory");
        let running = Self::start(mock, scratch.path().join("mock.sock"));
        let target = format!("unix:{}", running.socket.display());
        (scratch, running, target)
    }

    /// Starts it; when this returns, connections are accepted.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(mock: Mock, socket: PathBuf) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("start a runtime");
        let listener = {
            let _inside = runtime.enter();
            tokio::net::UnixListener::bind(&socket).expect("bind the mock's socket")
        };
        runtime.spawn(mock.serve_on(listener));
        Self::of(runtime, socket)
    }

    /// Starts it on a free port of the loopback; `socket` is then its address.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start_tcp(mock: Mock) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("start a runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("bind a port");
        let address = listener.local_addr().expect("an address").to_string();
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(InspectorServer::new(mock))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self::of(runtime, address.into())
    }

    fn of(runtime: tokio::runtime::Runtime, socket: PathBuf) -> Self {
        Self {
            socket,
            runtime: Some(runtime),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

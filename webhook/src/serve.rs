//! TLS, the accept loop, and a stop that loses no request.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, Version, header};
use axum::response::IntoResponse;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::{ServerConfig, crypto};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::idle::Activity;
use crate::review::ReviewError;

const ALPN_HTTP1: &[u8] = b"http/1.1";
const ALPN_HTTP2: &[u8] = b"h2";

/// Running out of file descriptors fails every accept at once; the loop must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often an HTTP/2 peer is asked whether it is still there, and how long it may take to say so.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests at once on one HTTP/2 connection; the API server sends more over further connections.
const HTTP2_STREAMS: u32 = 64;
/// What a peer may send before the server has read it: the least that HTTP/2 allows for a connection.
const HTTP2_WINDOW: u32 = 65_535;
/// Longest head of a request. The API server's have some 300 bytes.
const MAX_HEAD_BYTES: u16 = 16 * 1024;
/// Answers of a connection that its peer has not taken yet.
const UNSENT_BYTES: usize = 64 * 1024;

/// How the server ends: it goes on as before for `linger`, then takes no new connections and asks the open
/// ones to close, then waits up to `grace` for the requests in flight.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Cancel it to begin the stop.
    pub drain: CancellationToken,
    /// Time in which new connections are still served. Every node needs a moment to learn that this pod is
    /// no longer an endpoint of its Service; 5 s by default.
    pub linger: Duration,
    /// Time for requests in flight, counted from the end of `linger`; 10 s by default, which is above
    /// [`REQUEST_TIMEOUT`](crate::REQUEST_TIMEOUT). What is left then is cut off.
    pub grace: Duration,
}

impl Stop {
    /// Default times, begun by `drain`.
    #[must_use]
    pub fn new(drain: CancellationToken) -> Self {
        Self { drain, linger: Duration::from_secs(5), grace: Duration::from_secs(10) }
    }

    async fn lingered(&self) {
        self.drain.cancelled().await;
        info!(linger = ?self.linger, "webhook server stops soon, still accepting");
        sleep(self.linger).await;
    }
}

/// Bounds that keep a careless or hostile peer from taking the server away from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Simultaneous connections; further ones wait in the kernel's accept queue. Default 1024.
    pub connections: usize,
    /// Time for the TLS handshake. Default 5 s.
    pub handshake: Duration,
    /// Time for the head of an HTTP/1 request. Default 5 s.
    pub header: Duration,
    /// A connection is closed after this time without a request, so that idle ones cannot keep others
    /// waiting. Default 120 s: the API server closes its own idle connections after 90 s.
    pub idle: Duration,
    /// The same, while there are as many connections or requests as there may be. Default 1 s.
    pub idle_when_full: Duration,
    /// Time for a peer to take a long answer; then its connection is cut off. Default 5 s.
    pub answer: Duration,
    /// Requests in flight over all connections, until their answers are sent; further ones get 503 at once.
    /// Default 256: an API server has at most 200 changes in flight.
    pub requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(5),
            idle: Duration::from_secs(120),
            idle_when_full: Duration::from_secs(1),
            answer: Duration::from_secs(5),
            requests: 256,
        }
    }
}

/// Serves `router` over TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, until `stop` has run its course.
///
/// `resolver` is asked on every handshake, so a certificate it swaps is seen by the next connection.
/// Dropping the future closes all connections at once.
pub async fn serve(
    listener: TcpListener,
    resolver: Arc<dyn ResolvesServerCert>,
    router: Router,
    stop: Stop,
    limits: Limits,
) {
    let tls = match tls_config(resolver) {
        Ok(config) => TlsAcceptor::from(Arc::new(config)),
        Err(error) => return error!(%error, "webhook server cannot start: no TLS configuration"),
    };
    let closing = CancellationToken::new();
    let server = Arc::new(Server {
        tls,
        router,
        limits,
        requests: Arc::new(Semaphore::new(limits.requests)),
        full: watch::Sender::new(false),
        grace: stop.grace,
        draining: stop.drain.clone(),
        closing: closing.clone(),
    });
    let mut connections = JoinSet::new();

    accept_until(stop.lingered(), &listener, &server, &mut connections).await;
    drop(listener);
    closing.cancel();
    let all_closed = async { while connections.join_next().await.is_some() {} };
    if timeout(stop.grace, all_closed).await.is_err() {
        warn!(connections = connections.len(), grace = ?stop.grace, "webhook server cuts off connections");
    }
    info!("webhook server stopped");
}

fn tls_config(resolver: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
    // A resumed session would go on with the certificate of an earlier one.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

async fn accept_until(
    stopped: impl Future<Output = ()>,
    listener: &TcpListener,
    server: &Arc<Server>,
    connections: &mut JoinSet<()>,
) {
    let mut stopped = pin!(stopped);
    loop {
        server.note_full(connections.len());
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < server.limits.connections => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let server = Arc::clone(server);
                connections.spawn(async move { server.connection(stream, peer).await });
            }
            Err(error) => {
                warn!(%error, "webhook server cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

struct Server {
    tls: TlsAcceptor,
    router: Router,
    limits: Limits,
    requests: Arc<Semaphore>,
    /// There is no room for another connection or request.
    full: watch::Sender<bool>,
    grace: Duration,
    /// Cancelled when the stop begins.
    draining: CancellationToken,
    /// Cancelled when open connections are to end after their requests in flight.
    closing: CancellationToken,
}

impl Server {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        // Probes and port scans end here every few seconds: no more than a debug line.
        match self.handshake(stream).await {
            Ok(stream) => self.requests(stream, peer).await,
            Err(error) => debug!(%peer, %error, "TLS handshake failed"),
        }
    }

    async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        stream.set_nodelay(true)?;
        timeout(self.limits.handshake, self.tls.accept(stream)).await?
    }

    async fn requests(&self, stream: TlsStream<TcpStream>, peer: SocketAddr) {
        let http = self.http(stream.get_ref().1.alpn_protocol());
        let (activity, late) = (Activity::new(), CancellationToken::new());
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let is_http1 = request.version() < Version::HTTP_2;
            let answered = self.permit().map(|permit| (permit, activity.begin(), router.call(request)));
            let (draining, late, limit) = (self.draining.clone(), late.clone(), self.limits.answer);
            async move {
                let mut response = match answered {
                    None => ReviewError::Busy.into_response().map(Answer::from),
                    Some((permit, in_flight, response)) => {
                        let response = response.await?;
                        drop(in_flight);
                        response.map(|body| Answer::new(body, permit, limit, late))
                    }
                };
                // A peer may send on an idle HTTP/1 connection at the moment in which it is closed, and does not send a
                // POST twice. So from the beginning of the stop each answer says that it is the last one of its
                // connection: those that are left at the end are those that nobody used meanwhile.
                if is_http1 && draining.is_cancelled() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));

        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            grace = self.to_close(&activity, &late) => {
                connection.as_mut().graceful_shutdown();
                match timeout(grace, connection).await {
                    Ok(ended) => ended,
                    Err(late) => Err(late.into()),
                }
            }
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "connection ended early");
        }
    }

    /// Returns when a connection is to be closed, with the time that its peer has to agree.
    async fn to_close(&self, activity: &Activity, late: &CancellationToken) -> Duration {
        let idle_when_full = async {
            // The sender lives in `self`, so the wait cannot fail.
            let _ = self.full.subscribe().wait_for(|full| *full).await;
            activity.idle_for(self.limits.idle_when_full).await;
        };
        tokio::select! {
            () = self.closing.cancelled() => self.grace,
            () = activity.idle_for(self.limits.idle) => self.grace,
            () = late.cancelled() => Duration::ZERO,
            () = idle_when_full => self.limits.idle_when_full,
        }
    }

    /// The right to have a request in flight.
    fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.requests).try_acquire_owned().ok();
        if permit.is_none() {
            self.full.send_replace(true);
        }
        permit
    }

    fn note_full(&self, connections: usize) {
        let is_full = connections >= self.limits.connections || self.requests.available_permits() == 0;
        self.full.send_if_modified(|full| std::mem::replace(full, is_full) != is_full);
    }

    /// HTTP as agreed in the handshake. Looking at the first bytes instead would wait for them without end.
    fn http(&self, alpn: Option<&[u8]>) -> auto::Builder<TokioExecutor> {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_buf_size(MAX_HEAD_BYTES.into());
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(HTTP2_STREAMS)
            .initial_connection_window_size(HTTP2_WINDOW)
            .initial_stream_window_size(HTTP2_WINDOW)
            .max_header_list_size(MAX_HEAD_BYTES.into())
            .max_send_buf_size(UNSENT_BYTES)
            .keep_alive_interval(HTTP2_PING_EVERY)
            .keep_alive_timeout(HTTP2_PING_TIMEOUT);
        if alpn == Some(ALPN_HTTP2) { http.http2_only() } else { http.http1_only() }
    }
}

/// The body of an answer. Its request is in flight until the peer takes it: who asks and does not read must not
/// make the server keep answers without end. It goes out in pieces, because a piece counts as taken once there is room
/// for its first byte.
struct Answer {
    body: Body,
    /// What is left of the last data of `body`.
    rest: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
    /// Ends the watch over the peer.
    _untaken: Option<oneshot::Sender<Infallible>>,
}

impl Answer {
    /// An answer to a request in flight. Cancels `late` where it is long and its peer takes longer than `limit`.
    fn new(body: Body, permit: OwnedSemaphorePermit, limit: Duration, late: CancellationToken) -> Self {
        let is_long = body.size_hint().lower() > UNSENT_BYTES as u64;
        let untaken = is_long.then(|| {
            let (untaken, taken) = oneshot::channel();
            tokio::spawn(async move {
                // Nothing is sent: the other end goes with the answer.
                if timeout(limit, taken).await.is_err() {
                    late.cancel();
                }
            });
            untaken
        });
        Self { body, rest: Bytes::new(), _permit: Some(permit), _untaken: untaken }
    }
}

impl From<Body> for Answer {
    fn from(body: Body) -> Self {
        Self { body, rest: Bytes::new(), _permit: None, _untaken: None }
    }
}

impl HttpBody for Answer {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context))
                .map(|frame| frame.map(Frame::into_data))
            {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(UNSENT_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

//! Routes and layers: from an HTTP request to a verdict and back.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};
use tracing::{debug, error, info, warn};

use crate::body::{Read, Room};
use crate::conversion;
use crate::review::{self, ECHO_BYTES, Operation, Request, ReviewError, Verdict};

/// Longest body that is read. An object is at most 3 MiB in the API, and a review carries two.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// Time for one request, its body included. It is below the `timeoutSeconds: 5` of the webhook
/// configurations, so that the API server gets our answer and not its own timeout.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// Decides on admission requests and converts objects. All functions are pure and quick: they run on the
/// server's own threads, and [`REQUEST_TIMEOUT`] cannot interrupt them.
pub trait Admit: Send + Sync + 'static {
    /// Answers `/mutate`: usually a patch that fills in defaults.
    fn mutate(&self, request: &Request) -> Verdict;

    /// Answers `/validate`. A patch in this verdict is dropped: validation may not alter objects.
    fn validate(&self, request: &Request) -> Verdict;

    /// Answers `/convert`, object by object: the object in the version `wanted`, as `example.com/v1`, or which
    /// object cannot be converted and why. Labels and annotations are all that may change in its metadata, which
    /// comes without `managedFields` and gets them back.
    fn convert(&self, _object: Value, wanted: &str) -> Result<Value, String> {
        Err(format!("nothing here is converted to {wanted}"))
    }
}

/// How one request to `/mutate`, `/validate` or `/convert` ended, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `/mutate`, `/validate` or `/convert`.
    pub path: &'static str,
    /// `allowed` or `denied`, `converted` or `failed`, or `error` if there was no verdict (bad request, timeout,
    /// panic, caller gone).
    pub verdict: &'static str,
    /// What was to happen to the object; none for a conversion, and if there was no verdict.
    pub operation: Option<Operation>,
    /// From the request's head to the answer, the reading of the body included.
    pub duration: Duration,
}

/// Receives every [`Outcome`].
type Observe = Arc<dyn Fn(&Outcome) + Send + Sync>;

/// The routes `POST /mutate`, `POST /validate`, `POST /convert` and `GET /healthz`. `observe` is called once for
/// every request to the first three.
pub fn router(admit: Arc<dyn Admit>, observe: Observe) -> Router {
    let parts = Arc::new(Parts { admit, observe, room: Room::new() });
    let endpoints: [(&'static str, Reply); 3] =
        [("/mutate", mutated), ("/validate", validated), ("/convert", converted)];
    let router = Router::new().route("/healthz", get(|| async { "ok" }));
    endpoints.into_iter().fold(router, |router, (path, reply)| {
        router.route(path, Endpoint { path, reply, parts: Arc::clone(&parts) }.routes())
    })
}

/// From the body of a review to that of its answer.
type Reply = fn(&Endpoint, Read) -> Result<(Bytes, Decided), ReviewError>;

struct Parts {
    admit: Arc<dyn Admit>,
    observe: Observe,
    room: Room,
}

struct Endpoint {
    path: &'static str,
    reply: Reply,
    parts: Arc<Parts>,
}

impl Endpoint {
    fn routes(self) -> MethodRouter {
        let endpoint = Arc::new(self);
        let outside_in = ServiceBuilder::new()
            .layer(middleware::from_fn_with_state(Arc::clone(&endpoint), record))
            .layer(CatchPanicLayer::custom(|panic: Box<dyn Any + Send>| panicked(panic.as_ref())))
            .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT));
        post(answer).layer(outside_in).with_state(endpoint)
    }
}

/// What [`answer`] tells [`record`], as an extension of the response.
#[derive(Clone, Copy)]
struct Decided {
    verdict: &'static str,
    operation: Option<Operation>,
}

async fn answer(State(endpoint): State<Arc<Endpoint>>, http: HttpRequest) -> Result<Response, ReviewError> {
    require_json(&http)?;
    let read = endpoint.parts.room.read(http.into_body()).await?;
    let (body, decided) = (endpoint.reply)(&endpoint, read)?;
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    response.extensions_mut().insert(decided);
    Ok(response)
}

fn mutated(endpoint: &Endpoint, body: Read) -> Result<(Bytes, Decided), ReviewError> {
    admitted(endpoint, body, Admit::mutate)
}

fn validated(endpoint: &Endpoint, body: Read) -> Result<(Bytes, Decided), ReviewError> {
    admitted(endpoint, body, |admit, request| admit.validate(request).without_patch())
}

fn admitted(
    endpoint: &Endpoint,
    body: Read,
    decide: fn(&dyn Admit, &Request) -> Verdict,
) -> Result<(Bytes, Decided), ReviewError> {
    let Read { text, share, turn: _turn } = body;
    let request = review::decode(&text)?;
    drop((text, share));
    let verdict = decide(endpoint.parts.admit.as_ref(), &request);
    log(endpoint.path, &request, &verdict);
    let decided = Decided {
        verdict: if verdict.is_allowed() { "allowed" } else { "denied" },
        operation: Some(request.operation),
    };
    Ok((review::encode(&request.uid, &verdict)?.into(), decided))
}

fn converted(endpoint: &Endpoint, body: Read) -> Result<(Bytes, Decided), ReviewError> {
    // Held to the end: the objects borrow from the text.
    let Read { text, share, turn: _turn } = body;
    let request = conversion::decode(&text)?;
    let convert = |object, wanted: &str| endpoint.parts.admit.convert(object, wanted);
    let conversion::Answer { text, failure } = conversion::answer(&request, convert)?;
    let (uid, wanted, objects) = (&request.uid, &*short(&request.wanted), request.objects.len());
    match &failure {
        None => debug!(uid, wanted, objects, "converted"),
        Some(message) => info!(uid, wanted, objects, message = &*short(message), "conversion failed"),
    }
    let verdict = if failure.is_none() { "converted" } else { "failed" };
    let body = Bytes::from_owner(LongAnswer { text, _share: share });
    Ok((body, Decided { verdict, operation: None }))
}

/// An answer as long as its request, in whose place it is: it holds the share until its peer has taken it.
struct LongAnswer {
    text: Vec<u8>,
    _share: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for LongAnswer {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

fn require_json(http: &HttpRequest) -> Result<(), ReviewError> {
    let value =
        http.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(ReviewError::ContentType { found: value.to_owned() })
    }
}

fn log(path: &'static str, request: &Request, verdict: &Verdict) {
    let (uid, kind, operation) = (&request.uid, &*short(&request.kind.kind), request.operation.as_str());
    let [namespace, name] = [&request.namespace, &request.name].map(|text| text.as_deref().map(short));
    let (namespace, name) = (namespace.as_deref(), name.as_deref());
    match verdict {
        Verdict::Allow { .. } => debug!(path, uid, kind, operation, namespace, name, "admission allowed"),
        Verdict::Deny { message, .. } => {
            let message = &*short(message);
            info!(path, uid, kind, operation, namespace, name, message, "admission denied");
        }
    }
}

/// A text of a request as logs and errors repeat it: whoever sends it must not fill them.
fn short(text: &str) -> Cow<'_, str> {
    review::cut(text, ECHO_BYTES)
}

impl IntoResponse for ReviewError {
    fn into_response(self) -> Response {
        let (text, reason) = (self.to_string(), self.reason());
        let message = &*short(&text);
        warn!(reason, error = message, "admission request without a verdict");
        (self.status(), Json(json!({ "error": reason, "message": message }))).into_response()
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    error!(panic = text.map(short).as_deref(), "admission code panicked");
    ReviewError::Panicked.into_response()
}

/// Outermost layer: reports the outcome, also of requests that never reached a verdict.
async fn record(State(endpoint): State<Arc<Endpoint>>, http: HttpRequest, next: Next) -> Response {
    let mut pending = Pending { endpoint, started: Instant::now(), decided: None };
    let response = next.run(http).await;
    pending.decided = response.extensions().get().copied();
    response
}

/// Reports on drop, so that a caller who hangs up is counted too.
struct Pending {
    endpoint: Arc<Endpoint>,
    started: Instant,
    decided: Option<Decided>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        (self.endpoint.parts.observe)(&Outcome {
            path: self.endpoint.path,
            verdict: self.decided.map_or("error", |decided| decided.verdict),
            operation: self.decided.and_then(|decided| decided.operation),
            duration: self.started.elapsed(),
        });
    }
}

#[cfg(test)]
mod tests;

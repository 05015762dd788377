//! Routes and layers: from an HTTP request to a verdict and back.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use crate::body::{Read, Room};
use crate::conversion;
use crate::review::{self, ECHO_BYTES, Operation, Request, ReviewError, Verdict};

/// Longest body that is read. An object is at most 3 MiB in the API, and a review carries two.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// Time for one request, its body included. It is below the `timeoutSeconds: 5` of the webhook
/// configurations, so that the API server gets our answer and not its own timeout.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

const JSON: &str = "application/json";

/// Decides on admission requests and converts objects. All functions are pure and quick: they run on the
/// server's own threads, and [`REQUEST_TIMEOUT`] cannot interrupt them.
pub trait Admit: Send + Sync + 'static {
    /// Answers `/mutate`: usually a patch that fills in defaults.
    fn mutate(&self, request: &Request<'_>) -> Verdict;

    /// Answers `/validate`. A patch in this verdict is dropped: validation may not alter objects.
    fn validate(&self, request: &Request<'_>) -> Verdict;

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
        post(answer).fallback(refuse).with_state(Arc::new(self))
    }
}

/// How a review was decided.
#[derive(Clone, Copy)]
struct Decided {
    verdict: &'static str,
    operation: Option<Operation>,
}

/// Answers a request in time, and reports how that went.
async fn answer(State(endpoint): State<Arc<Endpoint>>, http: HttpRequest) -> Response {
    let mut pending = Pending::new(endpoint);
    match timeout(REQUEST_TIMEOUT, review(&pending.endpoint, http)).await {
        Ok(Ok((body, decided))) => {
            pending.decided = Some(decided);
            let mut response = Response::new(Body::from(body));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
            response
        }
        Ok(Err(error)) => error.into_response(),
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

/// Refuses other methods than POST. They count as requests without a verdict.
async fn refuse(State(endpoint): State<Arc<Endpoint>>) -> StatusCode {
    drop(Pending::new(endpoint));
    StatusCode::METHOD_NOT_ALLOWED
}

async fn review(endpoint: &Endpoint, http: HttpRequest) -> Result<(Bytes, Decided), ReviewError> {
    require_json(&http)?;
    let read = endpoint.parts.room.read(http.into_body()).await?;
    // A panic would take the connection with it, and the other requests on it.
    panic::catch_unwind(AssertUnwindSafe(|| (endpoint.reply)(endpoint, read)))
        .unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
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
    decide: fn(&dyn Admit, &Request<'_>) -> Verdict,
) -> Result<(Bytes, Decided), ReviewError> {
    // All of it is held to the end: the request borrows from the text.
    let Read { text, share: _share, turn: _turn } = body;
    let request = review::decode(&text)?;
    let verdict = decide(endpoint.parts.admit.as_ref(), &request);
    log(endpoint.path, &request, &verdict);
    let decided = Decided {
        verdict: if verdict.is_allowed() { "allowed" } else { "denied" },
        operation: Some(request.operation),
    };
    Ok((review::encode(&request.uid, &verdict)?.into(), decided))
}

fn converted(endpoint: &Endpoint, body: Read) -> Result<(Bytes, Decided), ReviewError> {
    // As above: the objects borrow from the text.
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
    if media_type.eq_ignore_ascii_case(JSON) {
        Ok(())
    } else {
        Err(ReviewError::ContentType { found: value.to_owned() })
    }
}

fn log(path: &'static str, request: &Request<'_>, verdict: &Verdict) {
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

fn panicked(panic: &(dyn Any + Send)) -> ReviewError {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    error!(panic = text.map(short).as_deref(), "admission code panicked");
    ReviewError::Panicked
}

/// Reports on drop, so that a caller who hangs up is counted too.
struct Pending {
    endpoint: Arc<Endpoint>,
    started: Instant,
    decided: Option<Decided>,
}

impl Pending {
    fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, started: Instant::now(), decided: None }
    }
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

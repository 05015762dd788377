//! What the log and answers repeat of a request stays short, whatever the request has.

use super::*;

/// A line has several texts.
const MOST_BYTES: usize = 8 * 1024;

/// Denies all and converts nothing, and repeats the object.
struct Verbose;

impl Admit for Verbose {
    fn mutate(&self, request: &Request<'_>) -> Verdict {
        panic!("{:?}", request.object)
    }

    fn validate(&self, request: &Request<'_>) -> Verdict {
        Verdict::deny(format!("{:?}", request.object))
    }

    fn convert(&self, object: Value, _: &str) -> Result<Value, String> {
        Err(object.to_string())
    }
}

fn admission(change: impl FnOnce(&mut Value)) -> String {
    let mut review: Value = serde_json::from_str(CREATE).unwrap();
    change(&mut review);
    review.to_string()
}

fn conversion(wanted: &str, object: &Value) -> String {
    let request = json!({"uid": "u", "desiredAPIVersion": wanted, "objects": [object]});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request})
        .to_string()
}

/// The answer, and what was logged until then.
async fn logged(path: &str, content_type: &str, body: String) -> (Bytes, String) {
    let lines = Arc::new(Mutex::new(Vec::<u8>::new()));
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer({
            let lines = Arc::clone(&lines);
            move || Lines(Arc::clone(&lines))
        })
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let router = router(Arc::new(Verbose), Arc::new(|_| {}));
    let request = HttpRequest::post(path).header("content-type", content_type).body(Body::from(body));
    let response = router.oneshot(request.unwrap()).await.unwrap();
    let answer = axum::body::to_bytes(response.into_body(), MAX_BODY_BYTES).await.unwrap();
    drop(guard);
    let lines = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    (answer, lines)
}

struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn long_texts_of_a_request_are_cut() {
    let long = "x".repeat(100_000);
    let text = json!(long);
    let bodies = [
        ("/validate", admission(|review| review["request"]["object"]["spec"] = text.clone())),
        ("/validate", admission(|review| review["request"]["name"] = text.clone())),
        ("/validate", admission(|review| review["request"]["namespace"] = text.clone())),
        ("/validate", admission(|review| review["request"]["kind"]["kind"] = text.clone())),
        ("/validate", admission(|review| review["request"]["uid"] = text.clone())),
        ("/validate", admission(|review| review["request"]["dryRun"] = text.clone())),
        ("/validate", admission(|review| review["kind"] = text.clone())),
        ("/mutate", admission(|review| review["request"]["object"]["spec"] = text.clone())),
        ("/convert", conversion("example.com/v2", &text)),
        ("/convert", conversion(&long, &json!({}))),
        ("/convert", conversion("example.com/v2", &json!({})).replace("\"u\"", &text.to_string())),
    ];
    for (number, (path, body)) in bodies.into_iter().enumerate() {
        let (answer, lines) = logged(path, "application/json", body).await;
        assert!(!lines.is_empty(), "body {number} was not logged");
        let longest = lines.lines().map(str::len).max().unwrap_or_default();
        assert!(longest < MOST_BYTES, "body {number}: a line of {longest} bytes");
        assert!(answer.len() < 3 * MOST_BYTES, "body {number}: an answer of {} bytes", answer.len());
    }
    let (answer, lines) = logged("/mutate", &long, CREATE.to_owned()).await;
    assert!(lines.len() < MOST_BYTES && answer.len() < MOST_BYTES);
}

//! The admin port: the page, metrics, health and JSON, by GET alone.
//!
//! Each connection serves one request and lives for a bounded time, so that no peer can keep the port busy.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::history::Sample;
use super::listener::BoundedListener;
use super::observed::Observed;
use super::page;
use super::report::{MemberReport, StatusReport};

/// From a connection's first moment to its last.
const LIFETIME: Duration = Duration::from_secs(10);
/// What connections get to end by themselves, once the server is to stop.
const FAREWELL: Duration = Duration::from_secs(1);

const PATHS: &str = "/ /metrics /healthz /readyz /api/v1/status /api/v1/members /api/v1/history /api/v1/config";

type Proxy = State<Arc<dyn Observed>>;

/// Serves the admin port until `cancel`, so many connections at once. Cancel it after the drain, so that `/readyz` can
/// tell of the drain.
///
/// # Errors
/// The listener failed for good.
pub async fn serve(
    listener: TcpListener,
    connections: usize,
    observed: Arc<dyn Observed>,
    cancel: CancellationToken,
) -> io::Result<()> {
    serve_bounded(BoundedListener::new(listener, connections, LIFETIME), observed, cancel).await
}

async fn serve_bounded(
    listener: BoundedListener,
    observed: Arc<dyn Observed>,
    cancel: CancellationToken,
) -> io::Result<()> {
    let server = axum::serve(listener, routes(observed)).with_graceful_shutdown(cancel.clone().cancelled_owned());
    let farewell = async {
        cancel.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        ended = server => ended,
        () = farewell => Ok(()),
    }
}

fn routes(observed: Arc<dyn Observed>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/v1/status", get(status))
        .route("/api/v1/members", get(members))
        .route("/api/v1/history", get(history))
        .route("/api/v1/config", get(config))
        .fallback(unknown_path)
        .layer(middleware::map_response(once_and_fresh))
        .with_state(observed)
}

async fn page() -> impl IntoResponse {
    ([(CONTENT_SECURITY_POLICY, page::POLICY), (X_CONTENT_TYPE_OPTIONS, "nosniff")], Html(page::page()))
}

async fn metrics(State(observed): Proxy) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], observed.metrics_text())
}

/// Says only that the process lives: a probe on it must not restart the proxy because members are down.
async fn healthz() -> &'static str {
    "ok\n"
}

/// With `?exclude=members`, as Kubernetes' own servers have it: whether the proxy itself works, whatever its members do.
async fn readyz(State(observed): Proxy, RawQuery(query): RawQuery) -> (StatusCode, String) {
    let readiness = observed.readiness();
    let excludes = |query: &str| query.split('&').any(|part| part == "exclude=members");
    let is_ready =
        if query.as_deref().is_some_and(excludes) { readiness.takes_clients() } else { readiness.is_ready() };
    let code = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, format!("{readiness}\n"))
}

async fn status(State(observed): Proxy) -> Json<StatusReport> {
    Json(StatusReport::of(&*observed))
}

async fn members(State(observed): Proxy) -> Json<Vec<MemberReport>> {
    Json(MemberReport::all(&*observed))
}

/// `?since=1700000000000`: milliseconds since 1970, to get only what has come since.
#[derive(serde::Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn history(State(observed): Proxy, Query(Since { since }): Query<Since>) -> Json<Vec<Sample>> {
    Json(observed.history(since))
}

async fn config(State(observed): Proxy) -> Response {
    match observed.config_text().parse::<toml::Table>() {
        Ok(config) => Json(config).into_response(),
        // The parser's message quotes the text; what is masked there is all that is secret.
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response(),
    }
}

async fn unknown_path() -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("there is no such path; there are {PATHS}\n"))
}

async fn once_and_fresh(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::super::observed::{Readiness, Summary};
    use super::*;
    use crate::metrics::{MemberRow, Scrape};

    struct Nothing;

    impl Scrape for Nothing {
        fn members(&self) -> Vec<MemberRow> {
            Vec::new()
        }
    }

    impl Observed for Nothing {
        fn readiness(&self) -> Readiness {
            Readiness::Ready
        }

        fn summary(&self) -> Summary {
            Summary::default()
        }

        fn config_text(&self) -> String {
            String::new()
        }

        fn history(&self, _since: u64) -> Vec<Sample> {
            Vec::new()
        }

        fn metrics_text(&self) -> String {
            String::new()
        }
    }

    #[tokio::test]
    async fn who_never_sends_a_request_gives_its_place_to_others() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bounded = BoundedListener::new(listener, 1, Duration::from_millis(200));
        let cancel = CancellationToken::new();
        let server = tokio::spawn(serve_bounded(bounded, Arc::new(Nothing), cancel.clone()));

        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
        let mut quick = TcpStream::connect(address).await.unwrap();
        quick.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(5), quick.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
        let mut rest = Vec::new();
        // It may be told so by a reset.
        drop(tokio::time::timeout(Duration::from_secs(5), slow.read_to_end(&mut rest)).await.unwrap());
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");

        cancel.cancel();
        tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}

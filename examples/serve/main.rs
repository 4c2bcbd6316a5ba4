//! A web service that survives its databases: two workers under their own master, on a socket that stays open.
//!
//! ```text
//! cargo run --package registry-cli -- dev --install --file examples/serve/databases.toml -- \
//!     cargo run --example serve --features mysql,mongodb,memcached,supervise
//! curl http://127.0.0.1:8080/                # one visit, in all three databases
//! dbreg status serve --watch                 # the workers, from another terminal
//! kill -HUP $(pgrep -o serve)                # replaces the workers; no request is refused
//! ```
//!
//! The argument is where to listen; without one it is `127.0.0.1:8080`.

mod listener;

use axum::extract::State;
use axum::http::{StatusCode, header::RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use dbreg::{DbRegistry, Error, Supervise, Worker, mongodb, sqlx};
use listener::{LINGER, Listener};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;

/// Generates `AppRegistry`. An application of its own has the file beside its `Cargo.toml`, and needs no path.
#[derive(DbRegistry)]
#[registry(path = "examples/serve/databases.toml")]
struct App;

struct Service {
    db: AppRegistry,
    worker: usize,
}

fn main() -> ExitCode {
    master().run(serve)
}

pub(crate) fn master() -> Supervise {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    dbreg::supervise().name("serve").workers(2).listen(address)
}

/// A worker, from its databases to its last answer.
pub(crate) async fn serve(mut worker: Worker) -> Result<(), Box<dyn std::error::Error>> {
    let db = App::connect_or_exit().await;
    let table = "create table if not exists visits (id bigint unsigned primary key auto_increment)";
    sqlx::query(table).execute(&db.mysql.main).await?;
    let service = Arc::new(Service {
        db,
        worker: worker.number(),
    });
    let router = Router::new()
        .route("/", get(visit))
        .route("/worker", get(number))
        .route("/ready", get(ready))
        .route("/live", get(live))
        .with_state(Arc::clone(&service));

    let socket = worker.take_tcp_listener(0)?.ok_or("no socket was handed down")?;
    let listener = Listener {
        socket: tokio::net::TcpListener::from_std(socket)?,
        ending: Box::pin(worker.shutdown()),
    };
    let ending = worker.shutdown();
    axum::serve(listener, router)
        .with_graceful_shutdown(async {
            ending.await;
            tokio::time::sleep(LINGER).await;
        })
        .await?;
    service.db.close().await?;
    Ok(())
}

/// Counts a visit in MySQL, logs it in MongoDB, and keeps the latest in memcached.
async fn visit(State(service): State<Arc<Service>>) -> Result<Json<Value>, Unavailable> {
    let db = &service.db;
    let visit = sqlx::query("insert into visits () values ()")
        .execute(&db.mysql.main)
        .await
        .map_err(Error::from)?
        .last_insert_id();
    let entry = mongodb::bson::doc! { "visit": visit.to_string(), "worker": service.worker.to_string() };
    db.mongodb
        .logs
        .process(async |logs| Ok(logs.collection("visits").insert_one(entry).await?))
        .await?;
    db.memcached
        .cache
        .set("latest", visit.to_string(), dbreg::Expiry::Never)
        .await?;
    Ok(Json(json!({ "visit": visit, "worker": service.worker })))
}

/// Which worker answers; it asks no database.
async fn number(State(service): State<Arc<Service>>) -> String {
    service.worker.to_string()
}

/// For a load balancer and Kubernetes' `readinessProbe`: whether requests can succeed now.
async fn ready(State(service): State<Arc<Service>>) -> (StatusCode, Json<Value>) {
    let mut all = StatusCode::OK;
    let mut states = serde_json::Map::new();
    for connection in service.db.connections() {
        let status = connection.status();
        if status.state != dbreg::State::Ready {
            all = StatusCode::SERVICE_UNAVAILABLE;
        }
        let name = format!("{}.{}", connection.backend(), connection.name());
        states.insert(name, status.state.to_string().into());
    }
    (all, Json(states.into()))
}

/// Whether this worker answers at all, whatever its databases do. Of a service whose workers come up only with their
/// databases, Kubernetes' `livenessProbe` asks the master (`dbreg status`).
async fn live() -> &'static str {
    "alive"
}

/// An error of a database, as an answer.
struct Unavailable(Error);

impl From<Error> for Unavailable {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let status = if error.is_transient() {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        let body = json!({ "error": error.to_string() });
        (status, [(RETRY_AFTER, "1")], Json(body)).into_response()
    }
}

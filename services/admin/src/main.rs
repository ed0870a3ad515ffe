//! A shop on axum, as it was. Only the line with `/admin` is new: see `admin.rs`.

mod admin;

use std::env;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;

pub struct Shop {
    is_open: AtomicBool,
    orders: Mutex<Vec<String>>,
}

#[derive(Deserialize)]
struct Order {
    item: String,
}

async fn order(State(shop): State<Arc<Shop>>, Json(order): Json<Order>) -> (StatusCode, &'static str) {
    if !shop.is_open.load(Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "we are closed\n");
    }
    shop.orders.lock().unwrap().push(order.item);
    (StatusCode::CREATED, "thank you\n")
}

fn router(shop: Arc<Shop>, password: &str) -> Router {
    Router::new()
        .route("/orders", post(order))
        .with_state(Arc::clone(&shop))
        .nest_service("/admin", admin::service(shop, password))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let listen = env::var("LISTEN").unwrap_or("127.0.0.1:8080".into());
    let password = env::var("ADMIN_PASSWORD").map_err(|_| "set ADMIN_PASSWORD")?;
    let shop = Shop {
        is_open: AtomicBool::new(true),
        orders: Mutex::default(),
    };
    let listener = tokio::net::TcpListener::bind(listen).await?;
    Ok(axum::serve(listener, router(Arc::new(shop), &password)).await?)
}

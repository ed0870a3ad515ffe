//! The same application under hansel's own server and under hyper, on two ports.
//!
//! `cargo run --example on_hyper --features tower`, then
//! `curl http://127.0.0.1:8000/hello` and `curl http://127.0.0.1:8001/hello`.

use std::time::Duration;

use hansel::{Application, IntoApplication, Request, Response, Server, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;

/// An application that does not know which server it runs under. It blocks, as handlers may.
fn app() -> impl Application {
    (|request: &Request, response: &mut Response| match request.segment(0) {
        Some("hello") => response.set_body("Hello from a plain function"),
        Some("slow") => {
            std::thread::sleep(Duration::from_millis(100));
            response.set_body("Hello, at last");
        }
        _ => response.set_status(StatusCode::NOT_FOUND),
    })
    .into_application()
}

fn main() -> hansel::Result {
    let own = Server::bind("127.0.0.1:8000")?.spawn(app())?;
    println!("hansel: http://{}", own.local_addr());
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:8001").await?;
        println!("hyper:  http://{}", listener.local_addr()?);
        serve_on_hyper(listener).await
    })?;
    Ok(())
}

/// Serves the application on hyper, HTTP/1.1 and HTTP/2.
async fn serve_on_hyper(listener: tokio::net::TcpListener) -> std::io::Result<()> {
    let service = hansel::tower::Service::new(app());
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let connection = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn asked(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    #[test]
    fn both_servers_give_the_same_responses() {
        let own = Server::bind("127.0.0.1:0").unwrap().spawn(app()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let on_hyper = listener.local_addr().unwrap();
        runtime.spawn(serve_on_hyper(listener));
        for (path, status, body) in [
            ("/hello", "HTTP/1.1 200 OK", "Hello from a plain function"),
            ("/slow", "HTTP/1.1 200 OK", "Hello, at last"),
            ("/nope", "HTTP/1.1 404 Not Found", ""),
        ] {
            for address in [own.local_addr(), on_hyper] {
                let response = asked(address, path);
                assert!(response.starts_with(status), "{address}{path}: {response}");
                assert!(
                    response.ends_with(&format!("\r\n\r\n{body}")),
                    "{address}{path}: {response}"
                );
            }
        }
        own.shutdown(Duration::from_secs(10));
        own.wait();
    }
}

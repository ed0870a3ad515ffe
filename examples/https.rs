//! HTTPS without a proxy: `cargo run --features tls --example https -- chain.pem key.pem [ADDRESS]`.
//!
//! A renewed certificate is used within a minute, without a restart.

use std::thread;
use std::time::Duration;

use hansel::{Request, Server, Tls};

fn main() -> hansel::Result {
    let mut arguments = std::env::args().skip(1);
    let (Some(chain), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: https CHAIN.PEM KEY.PEM [ADDRESS]".into());
    };
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8443".to_owned());
    let tls = Tls::from_pem_files(chain, key)?;
    renew(tls.clone());
    Server::bind(address)?
        .tls(tls)
        .serve(|request: &Request| format!("Hello over {}, {:?}!\n", request.scheme(), request.client()))?;
    Ok(())
}

/// Reads the files again at intervals.
fn renew(tls: Tls) {
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(60));
            if let Err(error) = tls.reload() {
                eprintln!("the certificate stays what it is: {error}");
            }
        }
    });
}

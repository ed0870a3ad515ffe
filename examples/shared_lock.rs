//! An application whose handlers share a lock: one connection to a database, here an account book in memory.
//!
//! `cargo run --example shared_lock`, then `curl -X POST http://127.0.0.1:8080/accounts/hansel/5` and
//! `curl http://127.0.0.1:8080/accounts/hansel`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hansel::{App, Hooks, Limiter, Routes, Server, State};

fn main() -> hansel::Result {
    Ok(Server::bind("127.0.0.1:8080")?.serve(app())?)
}

fn app() -> App {
    let book = Book::default();
    let limiter = Arc::clone(&book.limiter);
    let routes = Routes::new()
        .get("/accounts/{name}", balance)
        .post("/accounts/{name}/{amount}", pay);
    // The server starts no handler while some wait for the lock already.
    App::new(Hooks::on(routes).state(book)).scheduling(limiter)
}

/// Who has how much.
#[derive(Default)]
struct Book {
    accounts: Mutex<HashMap<String, i64>>,
    limiter: Arc<Limiter>,
}

impl Book {
    /// Waits for the lock, and tells the server that it is one which all handlers need.
    fn open(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.limiter
            .wait(|| self.accounts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn balance(name: &str, book: State<Book>) -> Option<String> {
    let amount = *book.open().get(name)?;
    Some(format!("{name} has {amount}\n"))
}

fn pay(name: String, amount: i64, book: State<Book>) -> String {
    let mut accounts = book.open();
    let account = accounts.entry(name).or_default();
    *account = account.saturating_add(amount);
    format!("paid, that makes {account}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;

    #[test]
    fn what_is_paid_is_there() {
        let client = Client::new(app());
        assert_eq!(client.get("/accounts/gretel").status(), 404);
        assert_eq!(client.call("POST", "/accounts/gretel/5").text(), "paid, that makes 5\n");
        assert_eq!(
            client.call("POST", "/accounts/gretel/-2").text(),
            "paid, that makes 3\n"
        );
        assert_eq!(client.get("/accounts/gretel").text(), "gretel has 3\n");
    }

    #[test]
    fn many_clients_at_once_lose_nothing() {
        let server = Server::bind("127.0.0.1:0").unwrap().quiet().spawn(app()).unwrap();
        let address = server.local_addr();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(move || (0..50).for_each(|_| drop(ask(address, "POST /accounts/hansel/1"))));
            }
        });
        assert!(ask(address, "GET /accounts/hansel").ends_with("hansel has 400\n"));
        server.shutdown(std::time::Duration::from_secs(5));
        server.wait();
    }

    /// Sends a request on a connection of its own, and returns the response.
    fn ask(address: std::net::SocketAddr, line: &str) -> String {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "{line} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        response
    }
}

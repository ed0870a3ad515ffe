//! Hosts: which are this machine, and which are the same.

use crate::Request;

/// Returns true if the request came over plain HTTP and is for this machine.
pub(super) fn is_plain_localhost(request: &Request) -> bool {
    let host = request.host().unwrap_or("");
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    request.scheme() == "http" && ["localhost", "127.0.0.1", "[::1]"].contains(&&*name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_localhost() {
        let is_local = |host: &str| is_plain_localhost(&Request::get("/").with_header("Host", host));
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:80",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "[::1:80]",
            "[::2]",
            "",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}

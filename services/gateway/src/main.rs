//! A reverse proxy, by a client that blocks.

use std::env;
use std::time::Duration;

use hansel::{App, Body, Error, Hooks, Request, Response, Routes, Server, State, StatusCode, problem_details};
use ureq::{Agent, SendBody, http};

/// Headers of one connection, which are not passed on (RFC 9110 §7.6.1), and those that each side sets by itself.
const OF_CONNECTION: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "host",
    "x-forwarded-for",
];

struct Gateway {
    agent: Agent,
    upstreams: Vec<Upstream>,
}

/// Where requests go whose path begins with the prefix.
struct Upstream {
    prefix: String,
    origin: String,
}

/// Passes a request on and its response back. Neither body is ever in memory as a whole.
fn relay(request: &Request, gateway: State<Gateway>) -> hansel::Result<Response> {
    let upstream = gateway
        .upstream(request.path())
        .ok_or(Error::new(StatusCode::NOT_FOUND, "no service is here"))?;
    let has_body = request.header("Content-Length").is_some_and(|length| length != "0")
        || request.header("Transfer-Encoding").is_some();
    let response = if has_body {
        let mut body = request.body();
        gateway
            .agent
            .run(passed_on(request, upstream, SendBody::from_reader(&mut body))?)
    } else {
        gateway.agent.run(passed_on(request, upstream, ())?)
    };
    Ok(passed_back(response.map_err(unreachable(upstream))?))
}

fn passed_on<B>(request: &Request, upstream: &Upstream, body: B) -> hansel::Result<http::Request<B>> {
    let mut passed =
        http::Request::builder()
            .method(request.method())
            .uri(format!("{}{}", upstream.origin, request.target()));
    for (name, value) in end_to_end(request.headers(), request.header("Connection")) {
        passed = passed.header(name, value);
    }
    let peer = request.peer().map(|peer| peer.ip().to_string()).unwrap_or_default();
    let before = request
        .header("X-Forwarded-For")
        .map(|list| format!("{list}, "))
        .unwrap_or_default();
    passed = passed.header("X-Forwarded-For", format!("{before}{peer}"));
    passed = passed.header("X-Forwarded-Host", request.host().unwrap_or_default());
    passed = passed.header("X-Request-Id", request.id().to_string());
    Ok(passed.body(body)?)
}

fn passed_back(response: http::Response<ureq::Body>) -> Response {
    let (head, body) = response.into_parts();
    let length = head
        .headers
        .get("Content-Length")
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let reader = body.into_with_config().limit(u64::MAX).reader();
    let body = match length {
        Some(length) => Body::sized_reader(reader, length),
        None => Body::reader(reader),
    };
    let mut passed = Response::new(Body::untyped(body)).with_status(head.status);
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let connection = head.headers.get("Connection").and_then(|value| value.to_str().ok());
    for (name, value) in
        end_to_end(headers, connection).filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"))
    {
        passed.append_header(name, value);
    }
    passed
}

/// Returns the headers that are not of one connection, neither always nor by its `Connection` header.
fn end_to_end<'h>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    connection: Option<&'h str>,
) -> impl Iterator<Item = (&'h str, &'h [u8])> {
    let named = connection.unwrap_or("");
    headers.filter(move |(name, _)| {
        let mut of_connection = OF_CONNECTION.into_iter().chain(named.split(',').map(str::trim));
        !of_connection.any(|other| name.eq_ignore_ascii_case(other))
    })
}

fn unreachable(upstream: &Upstream) -> impl FnOnce(ureq::Error) -> Error + '_ {
    move |error| {
        log::warn!("{}: {error}", upstream.origin);
        match error {
            ureq::Error::Timeout(_) => Error::new(StatusCode::GATEWAY_TIMEOUT, "the service does not respond"),
            _ => Error::new(StatusCode::BAD_GATEWAY, "the service can't be reached").with_header("Retry-After", "1"),
        }
    }
}

impl Gateway {
    /// Reads `/api=http://127.0.0.1:9001,/=http://127.0.0.1:9002`.
    fn parse(upstreams: &str) -> hansel::Result<Gateway> {
        let parse = |text: &str| {
            let (prefix, origin) = text
                .split_once('=')
                .ok_or_else(|| format!("{text:?} is not PREFIX=ORIGIN"))?;
            Ok(Upstream {
                prefix: prefix.trim_end_matches('/').to_owned(),
                origin: origin.trim_end_matches('/').to_owned(),
            })
        };
        let mut upstreams = upstreams.split(',').map(parse).collect::<Result<Vec<_>, String>>()?;
        upstreams.sort_by_key(|upstream| std::cmp::Reverse(upstream.prefix.len()));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .allow_non_standard_methods(true)
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .proxy(None)
            .max_idle_connections_per_host(256)
            .timeout_connect(Some(Duration::from_secs(2)))
            .timeout_recv_response(Some(Duration::from_secs(30)));
        Ok(Gateway {
            agent: config.build().new_agent(),
            upstreams,
        })
    }

    fn upstream(&self, path: &str) -> Option<&Upstream> {
        self.upstreams.iter().find(|upstream| {
            path.strip_prefix(&*upstream.prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

fn app(gateway: Gateway) -> App {
    // Bodies of any size: they are read as they arrive.
    let routes = Routes::new()
        .any("/{*path}", relay)
        .route_body_limit(u64::MAX)
        .route_deadline(None);
    App::new(Hooks::on(routes).state(gateway)).respond(problem_details())
}

fn main() -> hansel::Result {
    env_logger::init();
    let listen = env::var("LISTEN").unwrap_or("127.0.0.1:8080".into());
    let upstreams = env::var("UPSTREAMS")
        .map_err(|_| "set UPSTREAMS, such as /api=http://127.0.0.1:9001,/=http://127.0.0.1:9002")?;
    Ok(Server::bind(listen)?.serve(app(Gateway::parse(&upstreams)?))?)
}

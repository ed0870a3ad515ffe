//! The corpus of the conformance suite, in the same process and without its waits: each case ends with a half-close,
//! after which every response that will ever come has come.

use std::sync::Mutex;
use std::thread;

use hansel::{IntoResponse, Method, Request, Response, StatusCode};
use regex::Regex;
use serde_json::{Value, json};

use crate::support::{self, Client, Running, get, no_deadlines, server, start};

const CORPUS: &str = include_str!("../../conformance/corpus_public.json");

/// Cases up to this many bytes are also sent one by one.
const BYTE_BY_BYTE: usize = 1000;

/// How the bytes of a case are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sending {
    Whole,
    ByteByByte,
    /// Whole, and with one more request in the same write: it is answered exactly if the connection
    /// is to stay open.
    WithTrailing,
}

/// What came back.
struct Seen {
    finals: Vec<support::Response>,
    interims: Vec<u16>,
}

#[test]
fn every_case_passes_whole_byte_by_byte_and_with_more_behind_it() {
    let corpus: Value = serde_json::from_str(CORPUS).unwrap();
    let cases = corpus["cases"].as_array().unwrap();
    assert!(cases.len() > 300);
    let limits = no_deadlines().body(128 * 1024);
    let server = start(server().loops(2).limits(limits), contract);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for share in cases.chunks(cases.len().div_ceil(8)) {
            let (server, failures) = (&server, &failures);
            scope.spawn(move || {
                for case in share {
                    for sending in [Sending::Whole, Sending::ByteByByte, Sending::WithTrailing] {
                        if let Some(failure) = failure(case, sending, server) {
                            failures.lock().unwrap().push(failure);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// The server that `CONTRACT.md` asks for.
fn contract(request: &Request) -> Response {
    let segments: Vec<&str> = request.segments().collect();
    match (request.method(), &segments[..]) {
        (&Method::GET | &Method::HEAD, [] | [""]) => "hansel\n".into_response(),
        (&Method::POST, ["echo"]) => request.bytes().map(<[u8]>::to_vec).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn failure(case: &Value, sending: Sending, server: &Running) -> Option<String> {
    let steps = case["steps"].as_array().unwrap();
    let has = |step: &str| steps.iter().any(|s| s.get(step).is_some());
    let size: usize = steps.iter().map(|step| sent(step).len()).sum();
    let is_cut = has("shut") || has("rst") || has("close");
    let mut allowed = case["allow"].as_array().unwrap().iter();
    let is_unfinished = allowed.any(|allowed| allowed["st"] == json!([]) && allowed["conn"] == "open");
    match sending {
        Sending::ByteByByte if size > BYTE_BY_BYTE => return None,
        // What is behind a request that is not whole belongs to it.
        Sending::WithTrailing if is_cut || is_unfinished => return None,
        _ => {}
    }
    let seen = run(case, sending, server);
    if has("rst") || has("close") {
        // Nobody was there to see a response; that the server goes on is seen by all other cases.
        return None;
    }
    let mismatches: Vec<String> = case["allow"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|allowed| allowed.get("grade").is_none() && allowed.get("raw_prefix").is_none())
        .map(|allowed| mismatch(case, allowed, sending, is_cut, &seen))
        .collect::<Option<_>>()?;
    let statuses: Vec<u16> = seen.finals.iter().map(|response| response.status).collect();
    Some(format!(
        "{} sent {sending:?}: {statuses:?} {:?}: {mismatches:?}: {}",
        case["id"], seen.interims, case["why"]
    ))
}

/// Carries a case out.
fn run(case: &Value, sending: Sending, server: &Running) -> Seen {
    let methods: Vec<&str> = case["methods"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(Value::as_str)
        .collect();
    let mut client = server.connect();
    let mut seen = Seen {
        finals: Vec::new(),
        interims: Vec::new(),
    };
    for step in case["steps"].as_array().unwrap() {
        let bytes = sent(step);
        // The server may close in the middle of it.
        let _ = match sending {
            Sending::ByteByByte => bytes.iter().try_for_each(|byte| client.try_send([*byte])),
            _ => client.try_send(&bytes),
        };
        if let Some(count) = step["recv"].as_u64() {
            while (seen.finals.len() as u64) < count {
                next(&mut client, &methods, &mut seen);
            }
        } else if step.get("recv_any").is_some() {
            next(&mut client, &methods, &mut seen);
        } else if step.get("rst").is_some() {
            client.reset();
            return seen;
        } else if step.get("close").is_some() {
            return seen;
        }
    }
    if sending == Sending::WithTrailing {
        let _ = client.try_send(get("/trailing"));
    }
    // The server may be gone by now, and that is judged by its responses.
    let _ = client.stream.shutdown(std::net::Shutdown::Write);
    while client.has_more() {
        next(&mut client, &methods, &mut seen);
    }
    seen
}

/// Reads one response, or an interim one.
fn next(client: &mut Client, methods: &[&str], seen: &mut Seen) {
    let method = methods.get(seen.finals.len()).copied().unwrap_or("GET");
    let mut response = client.head();
    if response.status < 200 {
        return seen.interims.push(response.status);
    }
    if method != "HEAD" {
        client.read_body(&mut response);
    }
    seen.finals.push(response);
}

/// What a step sends.
fn sent(step: &Value) -> Vec<u8> {
    let text = step
        .get("send")
        .or(step.get("bytewise"))
        .and_then(Value::as_str)
        .unwrap_or("");
    let times = step["times"].as_u64().unwrap_or(1) as usize;
    latin1(text).repeat(times)
}

/// The corpus writes each octet as the character of that number.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// Why what was seen is not what is allowed here; nothing if it is.
fn mismatch(case: &Value, allowed: &Value, sending: Sending, is_cut: bool, seen: &Seen) -> Option<String> {
    let patterns: Vec<&str> = allowed["st"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(Value::as_str)
        .collect();
    let goes_on = patterns.last() == Some(&"...");
    let patterns = patterns.strip_suffix(&["..."]).unwrap_or(&patterns);
    let mut finals = &seen.finals[..];
    let stays_open = match finals.last() {
        Some(last) => {
            last.field("Connection") != Some("close") && last.version == "HTTP/1.1"
                || last.field("Connection") == Some("keep-alive")
        }
        None => false,
    };
    if sending == Sending::WithTrailing && stays_open && !patterns.is_empty() {
        let (trailing, before) = finals.split_last()?;
        if trailing.status != 404 {
            return Some(format!("the trailing request was answered {}", trailing.status));
        }
        finals = before;
    }
    match allowed["conn"].as_str() {
        // A response that leaves the connection open says so by saying nothing.
        Some("open") if !patterns.is_empty() && !stays_open => return Some("it was closed".into()),
        Some("closed") if !is_cut && stays_open => return Some("it stayed open".into()),
        _ => {}
    }
    if finals.len() < patterns.len() || (finals.len() > patterns.len() && !goes_on) {
        return Some(format!("{} responses, not {}", finals.len(), patterns.len()));
    }
    for (pattern, response) in patterns.iter().zip(finals) {
        if !is_status(pattern, response.status) {
            return Some(format!("{} is not {pattern}", response.status));
        }
    }
    if let Some(interims) = allowed["interim"].as_array() {
        let seen = seen.interims.iter().map(|&status| Some(status.into()));
        if !interims.iter().map(Value::as_u64).eq(seen) {
            return Some("other interim responses".into());
        }
    }
    for (index, fields) in allowed["hdr"].as_object().into_iter().flatten() {
        let response = &finals[index.parse::<usize>().unwrap()];
        for (names, pattern) in fields.as_object().unwrap() {
            let pattern = Regex::new(&format!("^(?:{})", pattern.as_str().unwrap())).unwrap();
            let has = |name: &str| response.field(name).is_some_and(|value| pattern.is_match(value));
            if !names.split('|').any(has) {
                return Some(format!("no field {names} like {pattern}"));
            }
        }
    }
    for (index, body) in allowed["body"].as_object().into_iter().flatten() {
        if finals[index.parse::<usize>().unwrap()].body != latin1(body.as_str().unwrap()) {
            return Some(format!("another body {index}"));
        }
    }
    for (index, len) in allowed["bodylen"].as_object().into_iter().flatten() {
        if Some(finals[index.parse::<usize>().unwrap()].body.len() as u64) != len.as_u64() {
            return Some(format!("another length of body {index}"));
        }
    }
    forbidden(case, seen)
}

/// What no response may contain, if any does.
fn forbidden(case: &Value, seen: &Seen) -> Option<String> {
    let pattern = |key: &str| case[key].as_str().map(|pattern| Regex::new(pattern).unwrap());
    let (in_body, in_head) = (pattern("notbody"), pattern("nothdr"));
    for response in &seen.finals {
        let (head, body) = (response.head_text(), String::from_utf8_lossy(&response.body));
        for (forbidden, text) in [(&in_body, head.as_str()), (&in_body, &body), (&in_head, &head)] {
            if let Some(forbidden) = forbidden.as_ref().filter(|forbidden| forbidden.is_match(text)) {
                return Some(format!("{forbidden} in {text:?}"));
            }
        }
    }
    None
}

fn is_status(pattern: &str, status: u16) -> bool {
    let status = status.to_string();
    pattern
        .split('|')
        .any(|one| one == "*" || one == status || one.strip_suffix("xx").is_some_and(|class| status.starts_with(class)))
}

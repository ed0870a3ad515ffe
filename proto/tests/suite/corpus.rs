//! The public conformance corpus, replayed without sockets: each case in one piece and byte by
//! byte, judged by its own `allow` rules, those graded `warn` left out.

use std::collections::HashMap;
use std::sync::Arc;

use hansel_proto::{
    BodyLength, BodyPlan, Connection, FieldBlock, FieldValue, Head, HttpDate, Limits, Next, Received, ResponseHead,
    TargetForm,
};
use serde_json::Value;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/corpus_public.json");

/// Longer inputs are cut into pieces of some size, not into bytes: they are about limits.
const BYTEWISE: usize = 20_000;

#[test]
fn every_public_case_passes_without_a_warning() {
    let text = std::fs::read_to_string(CORPUS).expect("the corpus is part of the repository");
    let corpus: Value = serde_json::from_str(&text).expect("JSON");
    let cases = corpus["cases"].as_array().expect("a list of cases");
    assert!(cases.len() > 300);
    let mut failures = Vec::new();
    for case in cases {
        let (input, end) = input_of(case);
        let small = if input.len() > BYTEWISE { 1021 } else { 1 };
        for size in [input.len().max(1), small] {
            if let Err(why) = judge(case, &Exchange::of(&input, size, end)) {
                failures.push(format!("{} in pieces of {size}: {why}", case["id"]));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// How the client leaves, if it does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stays,
    HalfCloses,
    Gone,
}

/// All a case sends, and how it ends. What it waits for in between makes no difference here.
fn input_of(case: &Value) -> (Vec<u8>, End) {
    let mut input = Vec::new();
    let mut end = End::Stays;
    for step in case["steps"].as_array().expect("a list of steps") {
        if let Some(text) = step["send"].as_str().or(step["bytewise"].as_str()) {
            let times = step["times"].as_u64().unwrap_or(1) as usize;
            input.extend_from_slice(&latin1(text).repeat(times));
        } else if step.get("shut").is_some() {
            end = End::HalfCloses;
        } else if step.get("rst").is_some() || step.get("close").is_some() {
            end = End::Gone;
        } else {
            let waits = ["sleep", "recv", "recv_any"].iter().any(|key| step.get(key).is_some());
            assert!(waits, "a step this test does not know: {step}");
        }
    }
    (input, end)
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(character).expect("the corpus is Latin-1"))
        .collect()
}

/// One response, as the client sees it.
struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// What a client gets for what it sends.
struct Exchange {
    responses: Vec<Response>,
    interims: Vec<u16>,
    closed: bool,
    gone: bool,
}

impl Exchange {
    fn of(input: &[u8], size: usize, end: End) -> Exchange {
        let mut responder = Responder::new();
        for piece in input.chunks(size) {
            responder.unconsumed.extend_from_slice(piece);
            responder.run();
        }
        if end != End::Stays {
            responder.end();
        }
        let (responses, interims) = read_responses(&responder.out, &responder.methods);
        Exchange {
            responses,
            interims,
            closed: responder.closed,
            gone: end == End::Gone,
        }
    }
}

/// The server of the suite's contract: `/` and `/echo`.
struct Responder {
    connection: Connection,
    head: Head,
    unconsumed: Vec<u8>,
    method: String,
    path: String,
    body: Vec<u8>,
    out: Vec<u8>,
    methods: Vec<String>,
    closed: bool,
}

impl Responder {
    fn new() -> Responder {
        let limits = Limits::new().body_bytes(4 * 1024 * 1024);
        Responder {
            connection: Connection::new(Arc::new(limits)),
            head: Head::new(),
            unconsumed: Vec::new(),
            method: String::new(),
            path: String::new(),
            body: Vec::new(),
            out: Vec::new(),
            methods: Vec::new(),
            closed: false,
        }
    }

    fn run(&mut self) {
        while !self.closed {
            let input = &self.unconsumed;
            match self.connection.receive(input, &mut self.head) {
                Ok(Received::Partial) => {
                    self.connection.send_continue(&mut self.out);
                    return;
                }
                Ok(Received::Head { len }) => {
                    self.method = self.head.method(input).to_owned();
                    let origin = matches!(self.head.target_form(), TargetForm::Origin | TargetForm::Absolute);
                    self.path = if origin {
                        self.head.path(input).replace("%65", "e")
                    } else {
                        String::new()
                    };
                    self.body.clear();
                    self.unconsumed.drain(..len);
                }
                Ok(Received::Content { start, end }) => {
                    self.body.extend_from_slice(&input[start..end]);
                    self.unconsumed.drain(..end);
                }
                Ok(Received::End { len, .. }) => {
                    self.unconsumed.drain(..len);
                    let (status, allow) = route(&self.method, &self.path);
                    self.respond(status, allow);
                }
                Err(refusal) => self.respond(refusal.status(), None),
            }
        }
    }

    fn end(&mut self) {
        if self.closed {
            return;
        }
        if let Err(refusal) = self.connection.end_of_input(&self.unconsumed) {
            self.respond(refusal.status(), None);
        }
        self.closed = true;
    }

    fn respond(&mut self, status: u16, allow: Option<&str>) {
        let mut fields = FieldBlock::new();
        if let Some(allow) = allow {
            fields.set("Allow", allow.as_bytes()).expect("a good field");
        }
        let echo = status == 200 && self.path == "/echo";
        let body = if echo { self.body.as_slice() } else { b"text\n" };
        let response = ResponseHead::new(status, &fields, BodyLength::Known(body.len() as u64))
            .date(HttpDate::new(b"Fri, 20 Nov 2026 12:00:00 GMT"))
            .default_content_type(FieldValue::new(b"text/plain"));
        if self.connection.respond(&response, &mut self.out) == BodyPlan::Plain {
            self.out.extend_from_slice(body);
        }
        self.methods.push(std::mem::take(&mut self.method));
        self.closed = self.connection.finish() != Next::Again;
    }
}

fn route(method: &str, path: &str) -> (u16, Option<&'static str>) {
    match (path, method) {
        ("/", "GET" | "HEAD") | ("/echo", "POST") => (200, None),
        ("/", _) => (405, Some("GET, HEAD")),
        ("/echo", _) => (405, Some("POST")),
        _ => (404, None),
    }
}

/// Takes the responses apart again, as a client that knows what it asked.
fn read_responses(mut out: &[u8], methods: &[String]) -> (Vec<Response>, Vec<u16>) {
    let mut responses = Vec::new();
    let mut interims = Vec::new();
    while !out.is_empty() {
        let end = out
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a whole head")
            + 4;
        let head = String::from_utf8(out[..end].to_vec()).expect("text");
        out = &out[end..];
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .expect("a status line");
        let status = status.parse().expect("a number");
        if status < 200 {
            interims.push(status);
            continue;
        }
        let length = field(&head, "content-length").map_or(0, |length| length.parse().expect("a number"));
        let length = if methods[responses.len()] == "HEAD" { 0 } else { length };
        let (body, rest) = out.split_at(length);
        responses.push(Response {
            status,
            head,
            body: body.to_vec(),
        });
        out = rest;
    }
    (responses, interims)
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v)
}

fn judge(case: &Value, exchange: &Exchange) -> Result<(), String> {
    let allowed = case["allow"].as_array().expect("a list of rules");
    let mut whys = Vec::new();
    let passed = allowed
        .iter()
        .filter(|rule| rule["grade"] != "warn")
        .any(|rule| match allows(rule, exchange) {
            Ok(()) => true,
            Err(why) => {
                whys.push(why);
                false
            }
        });
    if !passed {
        return Err(whys.join("; "));
    }
    if let Some(pattern) = case["nothdr"].as_str() {
        let forbidden = pattern
            .strip_prefix("(?im)^")
            .expect("the start of a line, in any case");
        let line = |line: &str| line.to_ascii_lowercase().starts_with(forbidden);
        if exchange
            .responses
            .iter()
            .any(|response| response.head.lines().any(line))
        {
            return Err(format!("a response has {forbidden}"));
        }
    }
    Ok(())
}

fn allows(rule: &Value, exchange: &Exchange) -> Result<(), String> {
    let statuses: Vec<_> = rule["st"]
        .as_array()
        .expect("statuses")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if exchange.gone {
        return if statuses.is_empty() {
            Ok(())
        } else {
            Err("the client is gone".to_owned())
        };
    }
    if rule.get("raw09").is_some() || rule.get("raw_prefix").is_some() {
        return Err("we speak nothing else".to_owned());
    }
    let found: Vec<_> = exchange
        .responses
        .iter()
        .map(|response| response.status.to_string())
        .collect();
    let fits = |(pattern, status): (&&str, &String)| pattern.split('|').any(|p| fits_status(p, status));
    let (fixed, open) = match statuses.split_last() {
        Some((&"...", fixed)) => (fixed, true),
        _ => (statuses.as_slice(), false),
    };
    let count = found.len() == fixed.len() || (open && found.len() >= fixed.len());
    if !count || !fixed.iter().zip(&found).all(fits) {
        return Err(format!("responses {found:?}, wanted {statuses:?}"));
    }
    let state = if exchange.closed { "closed" } else { "open" };
    if rule["conn"].as_str().is_some_and(|wanted| wanted != state) {
        return Err(format!("the connection is {state}"));
    }
    if let Some(wanted) = rule["interim"].as_array() {
        let seen = exchange.interims.iter().map(|&status| u64::from(status));
        if wanted.iter().filter_map(Value::as_u64).ne(seen) {
            return Err(format!("interim responses {:?}", exchange.interims));
        }
    }
    bodies_fit(rule, exchange)?;
    fields_fit(rule, exchange)
}

fn fits_status(pattern: &str, status: &str) -> bool {
    pattern == "*" || pattern == status || (pattern.ends_with("xx") && pattern[..1] == status[..1])
}

fn bodies_fit(rule: &Value, exchange: &Exchange) -> Result<(), String> {
    let none = serde_json::Map::new();
    for (index, wanted) in rule["body"].as_object().unwrap_or(&none) {
        let body = &exchange.responses[index.parse::<usize>().expect("an index")].body;
        if *body != latin1(wanted.as_str().expect("text")) {
            return Err(format!("body {index} is {:?}", String::from_utf8_lossy(body)));
        }
    }
    for (index, wanted) in rule["bodylen"].as_object().unwrap_or(&none) {
        let length = exchange.responses[index.parse::<usize>().expect("an index")].body.len();
        if wanted.as_u64() != Some(length as u64) {
            return Err(format!("body {index} has {length} bytes"));
        }
    }
    Ok(())
}

fn fields_fit(rule: &Value, exchange: &Exchange) -> Result<(), String> {
    // The corpus asks for few values, with these patterns.
    let patterns = HashMap::from([
        ("(?i).*keep-alive", "keep-alive"),
        (".* GMT", " GMT"),
        (".*", ""),
        (".+", ""),
    ]);
    for (index, wanted) in rule["hdr"].as_object().into_iter().flatten() {
        let head = &exchange.responses[index.parse::<usize>().expect("an index")].head;
        for (names, pattern) in wanted.as_object().expect("names and patterns") {
            let part = patterns[pattern.as_str().expect("text")];
            let fits =
                |name: &str| field(head, name).is_some_and(|value| value.to_lowercase().contains(&part.to_lowercase()));
            if !names.split('|').any(fits) {
                return Err(format!("no {names} like {pattern} in {head}"));
            }
        }
    }
    Ok(())
}

//! Tests of an application as a service.

mod bodies;
mod requests;
mod waiting;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{StatusCode, Version};
use tower_service::Service as _;

use super::body::Body;
use super::hosted::block_on;
use super::reply::Reply;
use super::service::Service;
use crate::{App, Limits, Request, Response, Scheduling};

/// A body that is there at once.
struct Whole(Option<&'static [u8]>);

impl http_body::Body for Whole {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Infallible>>> {
        Poll::Ready(self.0.take().map(|data| Ok(http_body::Frame::data(data))))
    }
}

/// All of a body.
fn collect(body: Body) -> io::Result<Vec<u8>> {
    let mut body = std::pin::pin!(body);
    let mut content = Vec::new();
    while let Some(frame) = block_on(poll_fn(|context| http_body::Body::poll_frame(body.as_mut(), context))) {
        content.extend(frame?.into_data().unwrap_or_default());
    }
    Ok(content)
}

fn answered(service: &mut Service, request: http::Request<Whole>) -> (StatusCode, Vec<u8>) {
    let response = block_on(service.call(request)).unwrap_or_else(|never| match never {});
    (response.status(), collect(response.into_body()).unwrap())
}

/// A body of these frames, each of which is data but for the last, which may be trailers.
struct Frames {
    data: std::collections::VecDeque<Vec<u8>>,
    trailers: Option<http::HeaderMap>,
    /// It never ends.
    stalls: bool,
    polled: Arc<AtomicUsize>,
}

fn frames(data: &[&[u8]]) -> Frames {
    Frames {
        data: data.iter().map(|data| data.to_vec()).collect(),
        trailers: None,
        stalls: false,
        polled: Arc::default(),
    }
}

impl http_body::Body for Frames {
    type Data = io::Cursor<Vec<u8>>;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Infallible>>> {
        self.polled.fetch_add(1, SeqCst);
        if let Some(data) = self.data.pop_front() {
            return Poll::Ready(Some(Ok(http_body::Frame::data(io::Cursor::new(data)))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(http_body::Frame::trailers(trailers))));
        }
        if self.stalls { Poll::Pending } else { Poll::Ready(None) }
    }
}

type Responding = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

fn is_pending(future: &mut Responding) -> bool {
    future
        .as_mut()
        .poll(&mut Context::from_waker(std::task::Waker::noop()))
        .is_pending()
}

fn reply<B>(service: &mut Service, request: http::Request<B>) -> Reply
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    block_on(service.call(request)).unwrap_or_else(|never| match never {})
}

fn status<B>(service: &mut Service, request: http::Request<B>) -> u16
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    reply(service, request).status().as_u16()
}

/// A service whose handler at `/hold` tells that it has begun, and waits to be told to go on.
fn holding(limits: Limits, threads: usize) -> (Service, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (begins, begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let service = Service::new(move |request: &Request| {
        if request.path() == "/hold" {
            begins.send(()).unwrap();
            let _ = released.lock().unwrap().recv();
        }
        "fine"
    });
    (service.with_limits(limits).with_threads(threads), begun, release)
}

fn get(path: &str) -> http::Request<Whole> {
    http::Request::get(path).header("host", "a").body(Whole(None)).unwrap()
}

fn post(path: &str) -> http::request::Builder {
    http::Request::post(path).header("host", "a")
}

const SOON: Duration = Duration::from_millis(20);

/// A service of so many threads that streams without end, and what its streams end with.
fn endless(limits: Limits, threads: usize) -> (Service, mpsc::Receiver<io::ErrorKind>) {
    let (ends, ended) = mpsc::channel();
    let service = Service::new(move |request: &Request| {
        let ends = ends.clone();
        match request.path() {
            "/" => return crate::Body::from("fine"),
            "/upload" => return crate::Body::from(request.bytes().map_or(0, <[u8]>::len).to_string()),
            _ => {}
        }
        crate::Body::stream(move |client| {
            loop {
                if let Err(error) = io::Write::write_all(client, &[b'x'; 10_000]) {
                    assert!(!client.is_open());
                    ends.send(error.kind()).unwrap();
                    return Err(error);
                }
            }
        })
    });
    (service.with_limits(limits).with_threads(threads), ended)
}

/// Limits of a service of which a request body of more than two bytes is read while its handler runs.
fn queueing(queue: usize, queue_time: Duration) -> Limits {
    Limits::new().queue(queue).queue_time(queue_time).body_buffer(2)
}

const NEVER: Duration = Duration::from_secs(3600);

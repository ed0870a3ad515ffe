//! A client of HTTP/2.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::law::{Asked, Content};
use crate::servers::{Hyper, Received};

/// A connection.
pub(crate) struct Http2 {
    sender: SendRequest<Sending>,
    runtime: Runtime,
}

impl Http2 {
    pub(crate) fn connect(server: &Hyper) -> Http2 {
        let runtime = Runtime::new().unwrap();
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(server.address).await.unwrap();
            let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Http2 { sender, runtime }
    }

    /// Sends a request that [HTTP/2 has a place for](Asked::for_http2), and reads the response.
    pub(crate) fn asked(&self, asked: &Asked) -> Received {
        let request = Sending::of(asked);
        let mut sender = self.sender.clone();
        self.runtime.block_on(async {
            let Ok(response) = sender.send_request(request).await else {
                return Received::nothing();
            };
            let (head, mut body) = response.into_parts();
            let fields = head.headers.iter().map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            });
            let mut received = Received::of_parts(head.status.as_u16(), fields.collect());
            while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                let Ok(frame) = frame else {
                    received.is_whole = false;
                    break;
                };
                received.body.extend(frame.into_data().unwrap_or_default());
            }
            received
        })
    }
}

/// The body of a request, frame by frame.
struct Sending(VecDeque<Frame<Bytes>>);

impl Sending {
    fn of(asked: &Asked) -> http::Request<Sending> {
        let is_host = |name: &str| name == "Host";
        let host = asked.fields.iter().find(|(name, _)| is_host(name));
        let host = host.map_or("", |(_, host)| std::str::from_utf8(host).unwrap());
        let mut request = http::Request::builder()
            .method(asked.method)
            .uri(format!("http://{host}{}", asked.target))
            .version(http::Version::HTTP_2);
        for (name, value) in asked.fields.iter().filter(|(name, _)| !is_host(name)) {
            request = request.header(name, &**value);
        }
        let mut frames = VecDeque::new();
        match &asked.content {
            Content::None => {}
            Content::Announced(content) => {
                request = request.header("Content-Length", content.len());
                frames.push_back(Frame::data(content.clone().into()));
            }
            Content::Chunked(chunks, trailers) => {
                frames.extend(chunks.iter().map(|chunk| Frame::data(chunk.clone().into())));
                let trailers = trailers.iter().map(|(name, value)| {
                    let name = http::HeaderName::try_from(*name).unwrap();
                    (name, http::HeaderValue::from_static(value))
                });
                let mut section = http::HeaderMap::new();
                section.extend(trailers);
                frames.push_back(Frame::trailers(section));
            }
        }
        request.body(Sending(frames)).unwrap()
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

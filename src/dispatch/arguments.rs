//! The arguments of handlers, which are read in two phases.
//!
//! First, all path arguments are read: if one does not fit, another route may be tried. Then the endpoint is final, and
//! the other arguments are taken from the request: if one can't be, the refusal is the response.

use std::borrow::Cow;

use super::extract::rejected;
use super::{FromRequest, FromSegment, Needs, Why};
use crate::request::{Request, Segments};
use crate::sealed::Seal;
use crate::{IntoResponse, Response};

/// A type that can be an argument of a handler.
///
/// | argument | is |
/// |---|---|
/// | `&Request` | the request |
/// | `&mut Response` | the response, at first an empty 200; the function changes it and returns nothing |
/// | a type with [`FromSegment`]: `u32`, `String`, ... | the next part of the path |
/// | `&str` | the next part of the path, as it is |
/// | `Option<T>` | the next part of the path, or `None` if the path ends |
/// | `Vec<T>` | the rest of the path |
/// | [`State<T>`](crate::State) | a value that the application shares |
/// | [`Extension<T>`](crate::Extension) | a value that a hook has set for the request |
#[cfg_attr(feature = "query", doc = "| [`Query<T>`](crate::Query) | the query, read as a `T` |")]
#[cfg_attr(
    feature = "form",
    doc = "| [`Form<T>`](crate::Form) | the body, a form, read as a `T` |"
)]
#[cfg_attr(
    feature = "json",
    doc = "| [`Json<T>`](crate::Json) | the body, JSON, read as a `T` |"
)]
/// | any other type `T` with [`FromRequest`] | what it reads from the request |
/// | `Option<T>`, `Result<T, T::Rejection>` | the same, where a refusal is for the handler to deal with |
///
/// Path arguments are in the order of the path; the others may be anywhere between them.
///
/// This trait is sealed. For a type of your own, implement [`FromSegment`] to read it from a part of the path, or
/// [`FromRequest`] to read it from the whole request. `By` says which it is; it is inferred and never written by
/// hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a handler",
    label = "this handler has an argument of type `{Self}`",
    note = "an argument can be `&Request`, `&mut Response`, a part of the path (numbers, `String`, `&str`, `Option<T>`, `Vec<T>`), `State<T>`, `Extension<T>`, or, with their features on, `Query<T>`, `Form<T>`, `Json<T>`",
    note = "if it is a `Json<T>`, `Form<T>` or `Query<T>`: its `T` needs `#[derive(serde::Deserialize)]`, and must not borrow",
    note = "to read a type of your own from a segment of the path, implement `hansel::dispatch::FromSegment` for it, or write `hansel::from_segment!({Self});` if it has `FromStr`",
    note = "to read a type of your own from the request, implement `hansel::FromRequest` for it"
)]
pub trait Argument<By> {
    #[doc(hidden)]
    const SEAL: Seal;

    /// The argument itself, as it is passed to a call.
    type Of<'c>;
    /// The result of the first phase.
    #[doc(hidden)]
    type Parsed<'r>;
    #[doc(hidden)]
    const KIND: Kind;

    /// The first phase: reads the argument from the path.
    #[doc(hidden)]
    fn parse<'r>(path: &mut PathArguments<'_, 'r>) -> Result<Self::Parsed<'r>, Unfit<'r>>;

    /// The second phase: reads the argument from the request, or refuses with a response.
    #[doc(hidden)]
    fn extract<'c, 'r: 'c>(
        parsed: Self::Parsed<'r>,
        source: &mut Source<'c, 'r>,
    ) -> Result<Self::Of<'c>, Box<Response>>;

    /// Describes the argument, for explanations. It is empty if the argument is not a part of the path.
    #[doc(hidden)]
    fn described() -> Cow<'static, str> {
        Cow::Borrowed("")
    }

    /// Notes the state that the argument needs.
    #[doc(hidden)]
    fn needs(_: &mut Needs) {}
}

/// The sources of arguments. With these, a type of the program's can be an argument by either of two traits.
pub(super) mod by {
    /// The next part of the path.
    #[derive(Debug)]
    pub struct Part(());
    /// The next part of the path, if there is one.
    #[derive(Debug)]
    pub struct Maybe(());
    /// The rest of the path.
    #[derive(Debug)]
    pub struct Rest(());
    /// The call itself: its request, its response.
    #[derive(Debug)]
    pub struct Call(());
    /// The request, by `FromRequest`.
    #[derive(Debug)]
    pub struct Extracted(());
    /// The same, where a refusal is for the handler.
    #[derive(Debug)]
    pub struct MaybeExtracted(());
}

/// The part of the path that an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    One,
    Maybe,
    All,
    /// Nothing: it is the request.
    Request,
    /// Nothing: it is the response.
    Response,
    /// Nothing: it is read from the request.
    Extractor,
}

/// Why a path argument can't be read.
#[derive(Clone, Copy, Debug)]
pub struct Unfit<'r> {
    segment: Option<&'r str>,
    expected: &'static str,
}

impl<'r> Unfit<'r> {
    pub(super) fn why(self) -> Why<'r> {
        let expected = self.expected.into();
        match self.segment {
            Some(segment) => Why::Argument {
                segment: segment.into(),
                expected,
            },
            None => Why::MissingArgument { expected },
        }
    }
}

/// The parts of the path that can be arguments.
#[doc(hidden)]
#[derive(Debug)]
pub struct PathArguments<'a, 'r> {
    captured: &'a [Option<&'r str>],
    pub(super) rest: Segments<'r>,
    tail: Tail,
    is_tail_named: bool,
}

/// The way in which the rest of the path, behind the captures, is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Each segment is an argument.
    Segments,
    /// All of it is one argument, slashes included.
    Joined,
    /// It is not an argument.
    Nothing,
}

impl<'a, 'r> PathArguments<'a, 'r> {
    pub(super) fn new(captured: &'a [Option<&'r str>], rest: Segments<'r>, tail: Tail) -> Self {
        PathArguments {
            captured,
            rest,
            tail,
            is_tail_named: tail == Tail::Joined,
        }
    }

    /// Returns whether the pattern has a name for the rest.
    pub(super) fn is_tail_named(&self) -> bool {
        self.is_tail_named
    }

    #[inline]
    fn one<T: FromSegment>(&mut self) -> Result<T, Unfit<'r>> {
        let segment = self.text();
        let unfit = Unfit {
            segment,
            expected: T::expected(),
        };
        segment.and_then(T::from_segment).ok_or(unfit)
    }

    /// Takes the next argument as text.
    #[inline]
    fn text(&mut self) -> Option<&'r str> {
        if let Some((first, others)) = self.captured.split_first() {
            self.captured = others;
            return *first;
        }
        self.text_of_tail()
    }

    fn text_of_tail(&mut self) -> Option<&'r str> {
        match self.tail {
            Tail::Segments => self.rest.next(),
            Tail::Joined => self.joined(),
            Tail::Nothing => None,
        }
    }

    /// Takes the rest as one text, in which each slash separates segments.
    fn joined(&mut self) -> Option<&'r str> {
        let text = self.rest.text();
        if self.rest.has_slash_inside() {
            return None;
        }
        self.rest = self.rest.behind_text(text.len())?;
        self.tail = Tail::Nothing;
        Some(text.strip_prefix('/').unwrap_or(text))
    }

    /// Takes the rest without reading it, because the handler reads it by name.
    #[cold]
    pub(super) fn skip_rest(&mut self) {
        if let Some(behind) = self.rest.behind_text(self.rest.text().len()) {
            self.rest = behind;
        }
    }

    fn is_empty(&self) -> bool {
        match (self.captured, self.tail) {
            ([], Tail::Segments) => self.rest.is_empty(),
            ([], tail) => tail == Tail::Nothing,
            (_, _) => false,
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: FromSegment> Argument<by::Part> for T {
    const SEAL: Seal = Seal;
    type Of<'c> = T;
    type Parsed<'r> = T;
    const KIND: Kind = Kind::One;

    fn parse<'r>(path: &mut PathArguments<'_, 'r>) -> Result<T, Unfit<'r>> {
        path.one()
    }

    fn extract<'c, 'r: 'c>(parsed: T, _: &mut Source<'c, 'r>) -> Result<T, Box<Response>> {
        Ok(parsed)
    }

    fn described() -> Cow<'static, str> {
        Cow::Borrowed(T::expected())
    }
}

#[diagnostic::do_not_recommend]
impl Argument<by::Part> for &str {
    const SEAL: Seal = Seal;
    type Of<'c> = &'c str;
    type Parsed<'r> = &'r str;
    const KIND: Kind = Kind::One;

    fn parse<'r>(path: &mut PathArguments<'_, 'r>) -> Result<&'r str, Unfit<'r>> {
        path.text().ok_or(Unfit {
            segment: None,
            expected: "segment",
        })
    }

    fn extract<'c, 'r: 'c>(parsed: &'r str, _: &mut Source<'c, 'r>) -> Result<&'c str, Box<Response>> {
        Ok(parsed)
    }

    fn described() -> Cow<'static, str> {
        Cow::Borrowed("&str")
    }
}

#[diagnostic::do_not_recommend]
impl<T: FromSegment> Argument<by::Maybe> for Option<T> {
    const SEAL: Seal = Seal;
    type Of<'c> = Option<T>;
    type Parsed<'r> = Option<T>;
    const KIND: Kind = Kind::Maybe;

    fn parse<'r>(path: &mut PathArguments<'_, 'r>) -> Result<Option<T>, Unfit<'r>> {
        if path.is_empty() {
            return Ok(None);
        }
        if let [None, others @ ..] = path.captured {
            // A group of an expression that took no part in the match.
            path.captured = others;
            return Ok(None);
        }
        path.one().map(Some)
    }

    fn extract<'c, 'r: 'c>(parsed: Option<T>, _: &mut Source<'c, 'r>) -> Result<Option<T>, Box<Response>> {
        Ok(parsed)
    }

    fn described() -> Cow<'static, str> {
        Cow::Owned(format!("{}?", T::expected()))
    }
}

#[diagnostic::do_not_recommend]
impl<T: FromSegment> Argument<by::Rest> for Vec<T> {
    const SEAL: Seal = Seal;
    type Of<'c> = Vec<T>;
    type Parsed<'r> = Vec<T>;
    const KIND: Kind = Kind::All;

    fn parse<'r>(path: &mut PathArguments<'_, 'r>) -> Result<Vec<T>, Unfit<'r>> {
        if path.tail == Tail::Joined {
            path.tail = Tail::Segments;
        }
        let mut all = Vec::new();
        while !path.is_empty() {
            all.push(path.one()?);
        }
        Ok(all)
    }

    fn extract<'c, 'r: 'c>(parsed: Vec<T>, _: &mut Source<'c, 'r>) -> Result<Vec<T>, Box<Response>> {
        Ok(parsed)
    }

    fn described() -> Cow<'static, str> {
        Cow::Owned(format!("*{}", T::expected()))
    }
}

/// The source of arguments that are not parts of the path.
#[derive(Debug)]
pub struct Source<'c, 'r: 'c> {
    pub(crate) request: &'r Request,
    response: Option<&'c mut Response>,
}

impl<'c, 'r> Source<'c, 'r> {
    pub(super) fn new(request: &'r Request, response: Option<&'c mut Response>) -> Source<'c, 'r> {
        Source { request, response }
    }
}

impl Argument<by::Call> for &Request {
    const SEAL: Seal = Seal;
    type Of<'c> = &'c Request;
    type Parsed<'r> = ();
    const KIND: Kind = Kind::Request;

    fn parse<'r>(_: &mut PathArguments<'_, 'r>) -> Result<(), Unfit<'r>> {
        Ok(())
    }

    fn extract<'c, 'r: 'c>((): (), source: &mut Source<'c, 'r>) -> Result<&'c Request, Box<Response>> {
        Ok(source.request)
    }
}

impl Argument<by::Call> for &mut Response {
    const SEAL: Seal = Seal;
    type Of<'c> = &'c mut Response;
    type Parsed<'r> = ();
    const KIND: Kind = Kind::Response;

    fn parse<'r>(_: &mut PathArguments<'_, 'r>) -> Result<(), Unfit<'r>> {
        Ok(())
    }

    fn extract<'c, 'r: 'c>((): (), source: &mut Source<'c, 'r>) -> Result<&'c mut Response, Box<Response>> {
        // A handler with two of them does not compile, see `shapes!`.
        source
            .response
            .take()
            .ok_or_else(|| Box::new(http::StatusCode::INTERNAL_SERVER_ERROR.into_response()))
    }
}

/// Implements `Argument` for a type that takes nothing of the path.
macro_rules! extracted {
    ([$($generics:tt)*] $type:ty, $by:ty, |$request:ident| $extract:expr) => {
        #[diagnostic::do_not_recommend]
        impl<$($generics)*> Argument<$by> for $type {
            const SEAL: Seal = Seal;
            type Of<'c> = $type;
            type Parsed<'r> = ();
            const KIND: Kind = Kind::Extractor;

            fn parse<'r>(_: &mut PathArguments<'_, 'r>) -> Result<(), Unfit<'r>> {
                Ok(())
            }

            fn extract<'c, 'r: 'c>((): (), source: &mut Source<'c, 'r>) -> Result<$type, Box<Response>> {
                let $request = source.request;
                $extract
            }

            fn needs(needs: &mut Needs) {
                T::needs(needs);
            }
        }
    };
}

extracted!([T: FromRequest] T, by::Extracted, |request| {
    T::from_request(request).map_err(|rejection| rejected(rejection.into_response()))
});

extracted!([T: FromRequest] Option<T>, by::MaybeExtracted, |request| {
    T::optional(request).map_err(|rejection| rejected(rejection.into_response()))
});

extracted!([T: FromRequest<Rejection = E>, E: IntoResponse] Result<T, E>, by::MaybeExtracted, |request| {
    Ok(T::from_request(request))
});

//! Handlers: functions whose arguments come from a request.
//!
//! There are two traits, so that the compiler can name what is wrong. [`Handler`] only determines which arguments a
//! function has, and holds for every function. [`Shape`] then requires that each argument is an [`Argument`], and that
//! the result is [`IntoResponse`].

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::arguments::{Kind, PathArguments, Source, Tail};
use super::segment::{plain, short_name};
use super::{Argument, Endpoint, MethodSet, Needs, Reply, Step, Walk};
use crate::pace::Pace;
use crate::request::Segments;
use crate::sealed::Seal;
use crate::{IntoResponse, Response};

/// A function that can handle requests: it takes up to eight [`Argument`]s and returns something that is
/// [`IntoResponse`]. The dotted name of such a function, as text, is a handler as well: it is looked up in a
/// [`Registry`](crate::Registry).
///
/// ```
/// use hansel::{Request, Response, Routes};
///
/// fn index() -> &'static str {
///     "Index"
/// }
///
/// fn person(request: &Request, id: u32) -> Option<String> {
///     (id == 7).then(|| format!("Gretel, says {}", request.path()))
/// }
///
/// fn pico(request: &Request, response: &mut Response) {
///     response.set_body(request.path().to_owned());
/// }
///
/// Routes::new().get("/", index).get("/people/{id}", person).get("/pico", pico);
/// ```
///
/// `S` is the shape of the function. It is inferred and never written by hand.
///
/// This trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a handler",
    label = "not a function of up to eight arguments",
    note = "a handler is a function or closure that is `Send + Sync + 'static`; a closure's arguments need their types written: `|id: u32| ..`",
    note = "a whole dispatcher goes under a path by `.mount(\"/path\", ..)`"
)]
pub trait Handler<S> {
    #[doc(hidden)]
    const SEAL: Seal;
}

/// The requirements on a handler: each of its arguments is an [`Argument`], and its result is [`IntoResponse`].
///
/// This trait is sealed.
pub trait Shape<H> {
    #[doc(hidden)]
    const SEAL: Seal;

    /// Returns the handler, ready to be called. `find` looks up a handler that is given by name.
    #[doc(hidden)]
    fn bind(handler: H, find: Find<'_>) -> Result<Bound, String>;
}

/// A handler, ready to be called.
#[derive(Clone)]
pub struct Bound(pub(super) Arc<dyn Call<()>>);

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bound({})", self.0.signature().text())
    }
}

/// Finds a handler by its dotted name, or says why there is none.
pub(super) type Find<'f> = &'f dyn Fn(&str) -> Result<Bound, String>;

/// Makes a handler ready to be called.
///
/// # Panics
/// If it is a name that `find` does not find.
#[track_caller]
pub(super) fn bind<H: Handler<S>, S: Shape<H>>(handler: H, find: Find<'_>) -> Bound {
    match S::bind(handler, find) {
        Ok(bound) => bound,
        Err(problem) => panic!("{problem}"),
    }
}

/// Calls a function on a receiver, which is `()` for a plain function.
pub(super) trait Call<T: ?Sized>: Send + Sync {
    fn signature(&self) -> &Signature;

    /// Reads the path arguments, takes what they use of the path, and arrives.
    fn call<'r>(
        &self,
        receiver: &T,
        walk: &mut Walk<'r>,
        arguments: &mut PathArguments<'_, 'r>,
        endpoint: Endpoint<'_>,
    ) -> Reply;
}

impl<T> dyn Call<T> {
    /// Calls the handler with `segments` as its path arguments.
    pub(super) fn call_with_segments<'r>(
        &self,
        receiver: &T,
        walk: &mut Walk<'r>,
        segments: Segments<'r>,
        dispatcher: &str,
        methods: &MethodSet,
    ) -> Reply {
        let signature = self.signature();
        let endpoint = Endpoint {
            dispatcher,
            name: signature.name,
            methods,
            pace: signature.pace,
        };
        let mut arguments = PathArguments::new(&[], segments, Tail::Segments);
        self.call(receiver, walk, &mut arguments, endpoint)
    }
}

/// The properties of a function that are known before it is called.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    /// The path arguments, such as `u32`, `String?` and `*f64`.
    pub(super) parameters: Vec<Cow<'static, str>>,
    kinds: Vec<Kind>,
    /// The path arguments as a pattern, such as `/{u32}/{String?}`.
    pub(super) pattern: String,
    pub(super) needs: Needs,
    pub(super) pace: Pace,
    /// True if it returns subscriptions.
    lasts: &'static str,
}

impl Signature {
    pub(super) fn new(
        name: &'static str,
        arguments: Vec<(Kind, Cow<'static, str>)>,
        needs: Needs,
        lasts: &'static str,
    ) -> Signature {
        let kinds = arguments.iter().map(|(kind, _)| *kind).collect();
        let parameters: Vec<_> = arguments
            .into_iter()
            .map(|(_, text)| text)
            .filter(|text| !text.is_empty())
            .collect();
        Signature {
            name: short_function_name(name),
            pattern: parameters.iter().map(|text| format!("/{{{text}}}")).collect(),
            parameters,
            kinds,
            needs,
            pace: Pace::new(),
            lasts,
        }
    }

    #[inline(never)]
    fn count(&self, kind: Kind) -> usize {
        self.kinds.iter().filter(|&&other| other == kind).count()
    }

    /// Returns whether the function can take so many `captures`, followed by the rest of the path if `open`.
    pub(super) fn takes(&self, captures: usize, open: bool) -> bool {
        if self.reads_by_name() {
            return true;
        }
        let needed = self.count(Kind::One);
        let most = needed + self.count(Kind::Maybe);
        let is_enough = needed <= captures + usize::from(open);
        let is_used = captures <= most || self.count(Kind::All) > 0;
        is_enough && is_used
    }

    /// Returns whether the function may ask for captures by name.
    pub(super) fn sees_request(&self) -> bool {
        self.count(Kind::Request) > 0
    }

    /// Returns whether the function can only read captures by name, because none of its arguments is a part of the
    /// path.
    pub(super) fn reads_by_name(&self) -> bool {
        self.sees_request() && self.parameters.is_empty()
    }

    /// Returns whether the function takes nothing but the request. Mounted, it then takes the whole path and every
    /// method.
    pub(super) fn takes_all(&self) -> bool {
        self.reads_by_name() && self.count(Kind::Extractor) == 0
    }

    /// Returns the function with its path arguments, such as `person(u32)`, and whether its response lasts.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}(", self.name);
        for (i, parameter) in self.parameters.iter().enumerate() {
            text.push_str(if i == 0 { "" } else { ", " });
            text.push_str(parameter);
        }
        text.push(')');
        text.push_str(self.lasts);
        text
    }
}

/// Shortens a name: `demo::views::person` is `person`, a closure in it is `person::{{closure}}`.
fn short_function_name(full: &'static str) -> &'static str {
    match full.strip_suffix("::{{closure}}") {
        Some(outer) => {
            let start = outer.len() - short_name(outer).len();
            plain(&full[start..])
        }
        None => short_name(full),
    }
}

/// A function of shape `S`, ready to be called.
struct Function<F, S> {
    function: F,
    signature: Signature,
    shape: PhantomData<fn() -> S>,
}

/// A method of shape `S`, ready to be called on a receiver.
struct MethodFunction<F, S>(Function<F, S>);

impl<T, F, S> Call<T> for MethodFunction<F, S>
where
    T: Send + Sync,
    F: Send + Sync + 'static,
    S: MethodShape<T, F>,
{
    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn call<'r>(
        &self,
        receiver: &T,
        walk: &mut Walk<'r>,
        arguments: &mut PathArguments<'_, 'r>,
        endpoint: Endpoint<'_>,
    ) -> Reply {
        S::call(
            &self.0.function,
            receiver,
            walk,
            arguments,
            &self.0.signature.pattern,
            endpoint,
        )
    }
}

/// Makes a method ready to be called.
pub(super) fn bind_method<T, F, S>(function: F) -> Arc<dyn Call<T>>
where
    T: Send + Sync + 'static,
    F: Send + Sync + 'static,
    S: MethodShape<T, F> + 'static,
{
    Arc::new(MethodFunction(Function {
        signature: Signature::new(std::any::type_name::<F>(), S::arguments(), S::needs(), S::lasts()),
        function,
        shape: PhantomData::<fn() -> S>,
    }))
}

/// A method of `T` as a handler: a function that takes a `&T` before its other arguments.
///
/// This trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a method of `{T}`",
    label = "not a function of `&{T}` and up to seven arguments",
    note = "a method takes `&self`, then what a handler takes, and its response must not borrow from them: return `String` instead of `&str`",
    note = "a closure's arguments need their types written: `|this: &{T}, id: u32| ..`"
)]
pub trait MethodHandler<T, S> {
    #[doc(hidden)]
    const SEAL: Seal;
}

/// The requirements on a method that handles requests: those of [`Shape`], with a receiver.
///
/// This trait is sealed.
pub trait MethodShape<T, F> {
    #[doc(hidden)]
    const SEAL: Seal;

    #[doc(hidden)]
    fn arguments() -> Vec<(Kind, Cow<'static, str>)>;

    #[doc(hidden)]
    fn needs() -> Needs;

    #[doc(hidden)]
    fn lasts() -> &'static str;

    #[doc(hidden)]
    fn call<'r>(
        function: &F,
        receiver: &T,
        walk: &mut Walk<'r>,
        arguments: &mut PathArguments<'_, 'r>,
        pattern: &dyn AsRef<str>,
        endpoint: Endpoint<'_>,
    ) -> Reply;
}

/// Reads the arguments from the path, arrives, reads the other arguments from the request, and calls.
macro_rules! call {
    (
        $walk:ident, $arguments:ident, $pattern:expr, $endpoint:ident, $R:ty,
        ($($A:ident $S:ident $a:ident),*), $function:tt($($receiver:tt)*)
    ) => {{
        $(let $a = match <$A as Argument<$S>>::parse($arguments) {
            Ok(parsed) => parsed,
            Err(unfit) => return Err($walk.decline($endpoint.dispatcher, $endpoint.name, || unfit.why())),
        };)*
        let fills_response = const { fills_response::<$R>(&[$(<$A as Argument<$S>>::KIND),*]) };
        arrive::<$R>(fills_response, $walk, $arguments, $pattern, $endpoint, |_source| {
            $(let $a = <$A as Argument<$S>>::extract($a, _source)?;)*
            Ok($function($($receiver)* $($a),*))
        })
    }};
}

/// A function whose response is its own: it is `R` for arguments of any lifetime, so it borrows from none of them.
///
/// This follows from what [`Shape`] requires of the function besides. It is a trait only for its message, and the second
/// implementation, which nothing has, is there for that as well: lifetimes are compared late, and then without a word
/// about the handler, unless there is a choice to make between two implementations.
#[diagnostic::on_unimplemented(
    message = "the response of this handler borrows from its arguments",
    label = "the response must not borrow from the request, from a part of the path, or from `self`",
    note = "return an owned value: `String` instead of `&str`, `Vec<u8>` instead of `&[u8]`"
)]
pub trait OwnResponse<Arguments, R, O> {}

/// The marks of the two implementations.
mod own_response {
    #[derive(Debug)]
    pub struct Own(());
    #[derive(Debug)]
    pub struct Never(());
    pub trait Impossible {}
}

macro_rules! own_response {
    ($($A:ident),*) => {
        impl<F: Fn($($A),*) -> R, R, $($A),*> OwnResponse<($($A,)*), R, own_response::Own> for F {}
        impl<F: own_response::Impossible, R, $($A),*> OwnResponse<($($A,)*), R, own_response::Never> for F {}
    };
}

own_response!();
own_response!(A);
own_response!(A, B);
own_response!(A, B, C);
own_response!(A, B, C, D);
own_response!(A, B, C, D, E);
own_response!(A, B, C, D, E, G);
own_response!(A, B, C, D, E, G, H);
own_response!(A, B, C, D, E, G, H, I);

// The shape of a function: its own type, and the source of each argument.
macro_rules! shapes {
    ($($A:ident $S:ident $a:ident),*) => {
        impl<F, R, O, $($A, $S),*> Handler<(fn($($A),*) -> R, ($($S,)*), O)> for F
        where
            F: Fn($($A),*) -> R,
        {
            const SEAL: Seal = Seal;
        }

        impl<F, R, O, $($A, $S),*> Shape<F> for (fn($($A),*) -> R, ($($S,)*), O)
        where
            $($A: Argument<$S> + 'static,)*
            $($S: 'static,)*
            O: 'static,
            R: IntoResponse + 'static,
            F: for<'c> OwnResponse<($(<$A as Argument<$S>>::Of<'c>,)*), R, O>,
            F: for<'c> Fn($(<$A as Argument<$S>>::Of<'c>),*) -> R + Send + Sync + 'static,
        {
            const SEAL: Seal = Seal;

            fn bind(function: F, _: Find<'_>) -> Result<Bound, String> {
                let arguments = vec![$((<$A as Argument<$S>>::KIND, <$A as Argument<$S>>::described())),*];
                let mut _needs = Needs::new();
                $(<$A as Argument<$S>>::needs(&mut _needs);)*
                let signature = Signature::new(std::any::type_name::<F>(), arguments, _needs, R::LASTS);
                Ok(Bound(Arc::new(Function { function, signature, shape: PhantomData::<fn() -> Self> })))
            }
        }

        impl<F, R, O, $($A, $S),*> Call<()> for Function<F, (fn($($A),*) -> R, ($($S,)*), O)>
        where
            $($A: Argument<$S> + 'static,)*
            $($S: 'static,)*
            O: 'static,
            R: IntoResponse + 'static,
            F: for<'c> Fn($(<$A as Argument<$S>>::Of<'c>),*) -> R + Send + Sync + 'static,
        {
            fn signature(&self) -> &Signature {
                &self.signature
            }

            #[inline]
            fn call<'r>(
                &self,
                (): &(),
                walk: &mut Walk<'r>,
                arguments: &mut PathArguments<'_, 'r>,
                endpoint: Endpoint<'_>,
            ) -> Reply {
                call!(walk, arguments, &self.signature.pattern, endpoint, R, ($($A $S $a),*), (self.function)())
            }
        }
    };
}

macro_rules! method_shapes {
    ($($A:ident $S:ident $a:ident),*) => {
        impl<T, F, R, O, $($A, $S),*> MethodHandler<T, (fn($($A),*) -> R, ($($S,)*), O)> for F
        where
            F: Fn(&T, $($A),*) -> R,
        {
            const SEAL: Seal = Seal;
        }

        impl<T, F, R, O, $($A, $S),*> MethodShape<T, F> for (fn($($A),*) -> R, ($($S,)*), O)
        where
            $($A: Argument<$S>,)*
            R: IntoResponse,
            F: for<'t, 'c> OwnResponse<(&'t T, $(<$A as Argument<$S>>::Of<'c>,)*), R, O>,
            F: for<'t, 'c> Fn(&'t T, $(<$A as Argument<$S>>::Of<'c>),*) -> R,
        {
            const SEAL: Seal = Seal;

            fn arguments() -> Vec<(Kind, Cow<'static, str>)> {
                vec![$((<$A as Argument<$S>>::KIND, <$A as Argument<$S>>::described())),*]
            }

            fn needs() -> Needs {
                let mut _needs = Needs::new();
                $(<$A as Argument<$S>>::needs(&mut _needs);)*
                _needs
            }

            fn lasts() -> &'static str {
                R::LASTS
            }

            #[inline]
            fn call<'r>(
                function: &F,
                receiver: &T,
                walk: &mut Walk<'r>,
                arguments: &mut PathArguments<'_, 'r>,
                pattern: &dyn AsRef<str>,
                endpoint: Endpoint<'_>,
            ) -> Reply {
                call!(walk, arguments, pattern, endpoint, R, ($($A $S $a),*), function(receiver,))
            }
        }
    };
}

shapes!();
shapes!(A SA a);
shapes!(A SA a, B SB b);
shapes!(A SA a, B SB b, C SC c);
shapes!(A SA a, B SB b, C SC c, D SD d);
shapes!(A SA a, B SB b, C SC c, D SD d, E SE e);
shapes!(A SA a, B SB b, C SC c, D SD d, E SE e, G SG g);
shapes!(A SA a, B SB b, C SC c, D SD d, E SE e, G SG g, H SH h);
shapes!(A SA a, B SB b, C SC c, D SD d, E SE e, G SG g, H SH h, I SI i);

method_shapes!();
method_shapes!(A SA a);
method_shapes!(A SA a, B SB b);
method_shapes!(A SA a, B SB b, C SC c);
method_shapes!(A SA a, B SB b, C SC c, D SD d);
method_shapes!(A SA a, B SB b, C SC c, D SD d, E SE e);
method_shapes!(A SA a, B SB b, C SC c, D SD d, E SE e, G SG g);
method_shapes!(A SA a, B SB b, C SC c, D SD d, E SE e, G SG g, H SH h);

/// Returns whether the function makes its response in a `&mut Response`.
const fn fills_response<R>(kinds: &[Kind]) -> bool {
    let mut responses = 0;
    let mut i = 0;
    while i < kinds.len() {
        if matches!(kinds[i], Kind::Response) {
            responses += 1;
        }
        i += 1;
    }
    assert!(responses <= 1, "a handler can have one `&mut Response` only");
    assert!(
        responses == 0 || size_of::<R>() == 0,
        "a handler that changes a `&mut Response` returns nothing: what it returned would be lost"
    );
    responses == 1
}

/// Takes the part of the path that the arguments have used, and arrives.
#[inline]
fn arrive<'r, R: IntoResponse>(
    fills_response: bool,
    walk: &mut Walk<'r>,
    arguments: &PathArguments<'_, 'r>,
    pattern: &dyn AsRef<str>,
    endpoint: Endpoint<'_>,
    run: impl for<'c> FnOnce(&mut Source<'c, 'r>) -> Result<R, Box<Response>>,
) -> Reply {
    let respond = move |request: &'r crate::Request| {
        if fills_response {
            let mut response = Response::default();
            return match run(&mut Source::new(request, Some(&mut response))) {
                Ok(_) => response,
                Err(instead) => *instead,
            };
        }
        match run(&mut Source::new(request, None)) {
            Ok(returned) => returned.into_response(),
            Err(instead) => *instead,
        }
    };
    let shown;
    let endpoint = if !R::LASTS.is_empty() && walk.is_watched() {
        shown = format!("{}{}", endpoint.name, R::LASTS);
        Endpoint {
            name: &shown,
            ..endpoint
        }
    } else {
        endpoint
    };
    // The arguments of a 404 begin before the walk's position: those segments have been taken already.
    let used = arguments.rest.offset().saturating_sub(walk.segments().offset());
    if used == 0 {
        return walk.arrive(endpoint, respond);
    }
    let name = if arguments.is_tail_named() {
        ""
    } else {
        pattern.as_ref()
    };
    let step = Step::taking_text(endpoint.dispatcher, name, used);
    walk.descend(step, |walk| walk.arrive(endpoint, respond))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_closure_says_where_it_is() {
        assert_eq!(short_function_name("demo::views::person"), "person");
        assert_eq!(
            short_function_name("demo::views::person::{{closure}}"),
            "person::{{closure}}"
        );
    }
}

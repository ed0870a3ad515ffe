//! Dispatch by function name: `/name/p1/p2` calls the function `name` with `p1` and `p2`.

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, PoisonError, RwLock};

use http::Method;

use super::by_method::best;
use super::handler::{Bound, Call, Handler, MethodHandler, MethodShape, Shape, Signature, bind, bind_method};
use super::kept::routes_changed;
use super::needs::Surroundings;
use super::registry::find_nowhere;
use super::segment::plain;
use super::{Dispatch, Map, MethodSet, Reply, Step, Walk, Why, notation};

/// Dispatch by function name: the first segment names a function, and the others are its arguments, as a list or one by
/// one.
///
/// Only functions that are added here can be reached; no convention exposes any other.
///
/// ```
/// use hansel::Methods;
///
/// struct Calc;
///
/// impl Calc {
///     fn add(&self, a: f64, b: f64) -> String { (a + b).to_string() }
///     fn test(&self, parameters: Vec<String>) -> String { format!("{parameters:?}") }
/// }
///
/// // /add/1/2 and /test/a/b/c, from the methods of a type:
/// let calc = hansel::methods!(Calc { add, test });
/// // or one by one, and with plain functions:
/// let calc = Methods::of(Calc).method("add", Calc::add).add("hello", || "Hello");
///
/// // More may come and go while the server runs.
/// let running = calc.clone();
/// running.insert("monkey", |parameters: Vec<String>| format!("patched in: {parameters:?}"));
/// assert!(running.remove("monkey"));
/// ```
///
/// A clone is another handle to the same table. A request keeps the table that it began with: a function that is
/// removed meanwhile finishes its calls.
///
/// Functions answer GET, unless they are added for another method. The function with the empty name answers at the path
/// of the mount itself. A raw identifier loses its `r#`: `r#move` is reached at `/move`.
///
/// # Panics
/// Adding panics if two functions have the same name and method. The message names both places. At run time,
/// [`insert`](Methods::insert) replaces a function. Once an [`App`](crate::App) is created from the functions, adding one
/// panics if it takes a [`State`](crate::State) that nothing around them shares.
pub struct Methods<T = ()> {
    receiver: Arc<T>,
    /// Replaced as a whole. Readers hold the lock only while they clone the inner `Arc`.
    table: Arc<RwLock<Arc<Table<T>>>>,
}

struct Table<T> {
    names: HashMap<String, Name<T>>,
    /// The state that is shared around the functions where an application has them.
    surroundings: Surroundings,
}

/// All functions with one name.
struct Name<T> {
    /// The name as a part of a pattern, such as `/add`.
    pattern: String,
    functions: Vec<Exposed<T>>,
}

/// A function that can be reached, for one HTTP method.
struct Exposed<T> {
    methods: MethodSet,
    call: Callee<T>,
    at: &'static Location<'static>,
}

enum Callee<T> {
    Plain(Bound),
    Method(Arc<dyn Call<T>>),
}

impl<T> fmt::Debug for Methods<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Methods")
            .field(
                "names",
                &self.table.read().unwrap_or_else(PoisonError::into_inner).names.len(),
            )
            .finish_non_exhaustive()
    }
}

impl Methods {
    /// Creates a dispatcher without functions.
    pub fn new() -> Methods {
        Methods::of(())
    }
}

impl Default for Methods {
    fn default() -> Methods {
        Methods::new()
    }
}

impl<T> Clone for Methods<T> {
    fn clone(&self) -> Methods<T> {
        Methods {
            receiver: Arc::clone(&self.receiver),
            table: Arc::clone(&self.table),
        }
    }
}

impl<T: Send + Sync + 'static> Methods<T> {
    /// Creates a dispatcher without functions, whose methods are called on `receiver`.
    pub fn of(receiver: T) -> Methods<T> {
        Methods {
            receiver: Arc::new(receiver),
            table: Arc::default(),
        }
    }

    /// Adds a function under a name, for GET.
    #[track_caller]
    #[must_use]
    pub fn add<H: Handler<S>, S: Shape<H>>(self, name: &str, function: H) -> Methods<T> {
        self.on(Method::GET, name, function)
    }

    /// Adds a function under a name, for an HTTP method.
    #[track_caller]
    #[must_use]
    pub fn on<H: Handler<S>, S: Shape<H>>(self, method: Method, name: &str, function: H) -> Methods<T> {
        self.expose(name, Exposed::plain(method, function), Duplicate::Refuse);
        self
    }

    /// Adds a method of the receiver under a name, for GET.
    #[track_caller]
    #[must_use]
    pub fn method<F, S>(self, name: &str, function: F) -> Methods<T>
    where
        F: MethodHandler<T, S> + Send + Sync + 'static,
        S: MethodShape<T, F> + 'static,
    {
        self.method_on(Method::GET, name, function)
    }

    /// Adds a method of the receiver under a name, for an HTTP method.
    #[track_caller]
    #[must_use]
    pub fn method_on<F, S>(self, method: Method, name: &str, function: F) -> Methods<T>
    where
        F: MethodHandler<T, S> + Send + Sync + 'static,
        S: MethodShape<T, F> + 'static,
    {
        let exposed = Exposed {
            methods: MethodSet::of(method),
            call: Callee::Method(bind_method::<T, F, S>(function)),
            at: Location::caller(),
        };
        self.expose(name, exposed, Duplicate::Refuse);
        self
    }

    /// Adds a function under a name, for GET, or replaces it. The next request sees the change.
    #[track_caller]
    pub fn insert<H: Handler<S>, S: Shape<H>>(&self, name: &str, function: H) {
        self.expose(name, Exposed::plain(Method::GET, function), Duplicate::Replace);
    }

    /// Removes all functions with a name, and returns whether there were any. The next request sees the change.
    pub fn remove(&self, name: &str) -> bool {
        let name = plain(name);
        self.change(|table| table.names.remove(name).is_some())
    }

    /// Returns the names of all functions, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.table().names.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    #[track_caller]
    fn expose(&self, name: &str, exposed: Exposed<T>, duplicate: Duplicate) {
        let name = plain(name);
        // If it is refused, it is dropped at the end: not under the lock.
        let _kept = exposed.clone();
        let problem = self.change(|table| {
            let needs = &exposed.signature().needs;
            let taker = || format!("the function `{name}`, at {},", exposed.at);
            if let Some(problem) = table.surroundings.problem(needs, taker) {
                return Some(problem);
            }
            let named = table.names.entry(name.to_owned());
            let functions = &mut named.or_insert_with(|| Name::new(name)).functions;
            match functions.iter_mut().find(|other| other.methods == exposed.methods) {
                Some(other) if duplicate == Duplicate::Refuse => Some(format!(
                    "two functions are called `{name}`: at {} and at {}",
                    other.at, exposed.at
                )),
                Some(other) => {
                    *other = exposed;
                    None
                }
                None => {
                    functions.push(exposed);
                    None
                }
            }
        });
        if let Some(problem) = problem {
            panic!("{problem}");
        }
    }

    /// Replaces the table with a changed copy.
    fn change<R>(&self, change: impl FnOnce(&mut Table<T>) -> R) -> R {
        let mut current = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut table = Table::clone(&current);
        let result = change(&mut table);
        let before = std::mem::replace(&mut *current, Arc::new(table));
        routes_changed();
        // Dropping a user's function may run any code: not under the lock.
        drop(current);
        drop(before);
        result
    }

    fn table(&self) -> Arc<Table<T>> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Duplicate {
    Refuse,
    Replace,
}

impl<T> Exposed<T> {
    #[track_caller]
    fn plain<H: Handler<S>, S: Shape<H>>(method: Method, function: H) -> Exposed<T> {
        Exposed {
            methods: MethodSet::of(method),
            call: Callee::Plain(bind(function, &find_nowhere)),
            at: Location::caller(),
        }
    }

    fn signature(&self) -> &Signature {
        match &self.call {
            Callee::Plain(bound) => bound.0.signature(),
            Callee::Method(method) => method.signature(),
        }
    }

    fn dispatch(&self, receiver: &T, walk: &mut Walk<'_>) -> Reply {
        let (segments, methods) = (walk.segments(), &self.methods);
        match &self.call {
            Callee::Plain(bound) => bound.0.call_with_segments(&(), walk, segments, "Methods", methods),
            Callee::Method(method) => method.call_with_segments(receiver, walk, segments, "Methods", methods),
        }
    }
}

impl<T> Clone for Exposed<T> {
    fn clone(&self) -> Exposed<T> {
        Exposed {
            methods: self.methods.clone(),
            call: match &self.call {
                Callee::Plain(bound) => Callee::Plain(bound.clone()),
                Callee::Method(method) => Callee::Method(Arc::clone(method)),
            },
            at: self.at,
        }
    }
}

impl<T> Name<T> {
    fn new(name: &str) -> Name<T> {
        Name {
            pattern: if name.is_empty() {
                String::new()
            } else {
                format!("/{}", notation::encoded(name))
            },
            functions: Vec::new(),
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            names: HashMap::new(),
            surroundings: Surroundings::default(),
        }
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Table<T> {
        Table {
            names: self.names.clone(),
            surroundings: self.surroundings.clone(),
        }
    }
}

impl<T> Clone for Name<T> {
    fn clone(&self) -> Name<T> {
        Name {
            pattern: self.pattern.clone(),
            functions: self.functions.clone(),
        }
    }
}

impl<T: Send + Sync + 'static> Dispatch for Methods<T> {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let table = self.table();
        let (name, taken) = match walk.segments().next() {
            None => ("", 0),
            Some(name) => (name, 1),
        };
        // The empty segment behind a trailing slash is not a name.
        let found = table.names.get(name).filter(|_| taken == usize::from(!name.is_empty()));
        let Some(found) = found else {
            let rest = walk.segments().text();
            return Err(walk.decline("Methods", "", || Why::Unknown(rest.into(), known(&table))));
        };
        let step = Step::taking("Methods", &found.pattern, taken);
        walk.descend(step, |walk| {
            best(
                found.functions.iter(),
                |function| &function.methods,
                walk,
                |function, walk| function.dispatch(&self.receiver, walk),
            )
        })
    }

    fn describe(&self, map: &mut Map) {
        // The lock that guards the functions guards this, so one that is added meanwhile is either checked or described.
        if let Some(check) = map.state_check() {
            self.change(|table| check.note(&mut table.surroundings));
        }
        let table = self.table();
        for name in self.names() {
            let Some(found) = table.names.get(&name) else { continue };
            for function in &found.functions {
                let signature = function.signature();
                let pattern = format!("{}{}", found.pattern, signature.pattern);
                map.endpoint("Methods", &function.methods, &pattern, &signature.text());
                map.timed_by(signature.pace);
                map.check(&signature.needs, function.at);
            }
        }
    }
}

/// Lists the names, for explanations.
fn known<T>(table: &Table<T>) -> String {
    if table.names.is_empty() {
        return "; there are no functions here".to_owned();
    }
    let mut names: Vec<_> = table.names.keys().map(String::as_str).collect();
    names.sort_unstable();
    format!("; there is {}", names.join(", "))
}

/// Creates [`Methods`] of a value, from the names of methods of its type.
///
/// ```
/// struct Test;
///
/// impl Test {
///     fn test(&self, parameters: Vec<String>) -> String { parameters.join(", ") }
/// }
///
/// let methods = hansel::methods!(Test { test });
/// # assert_eq!(methods.names(), ["test"]);
///
/// struct Counter { count: u32 }
///
/// impl Counter {
///     fn count(&self) -> String { self.count.to_string() }
/// }
///
/// let methods = hansel::methods!(Counter { count }, Counter { count: 7 });
/// # assert_eq!(methods.names(), ["count"]);
/// ```
#[macro_export]
macro_rules! methods {
    ($type:ident { $($method:ident),* $(,)? }) => {
        $crate::methods!($type { $($method),* }, $type)
    };
    ($type:ident { $($method:ident),* $(,)? }, $value:expr) => {
        $crate::Methods::of($value)$(.method(stringify!($method), $type::$method))*
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::IntoDispatch;
    use crate::{App, Application, Request};

    fn text(app: &App, target: &str) -> Option<String> {
        let response = app.call(&Request::get(target));
        let text = String::from_utf8(response.body().bytes()?.to_vec()).ok()?;
        (response.status() == 200).then_some(text)
    }

    struct Seed;

    impl Seed {
        fn test(&self, parameters: Vec<String>) -> String {
            format!("{parameters:?}")
        }

        fn add(&self, a: i64, b: Option<i64>) -> String {
            (a + b.unwrap_or(0)).to_string()
        }

        #[allow(dead_code)]
        fn secret(&self) -> &'static str {
            "never"
        }
    }

    #[test]
    fn a_name_calls_its_function_with_what_follows() {
        let app = App::new(crate::methods!(Seed { test, add }));
        assert_eq!(text(&app, "/test").as_deref(), Some("[]"));
        assert_eq!(text(&app, "/test/").as_deref(), Some(r#"[""]"#));
        assert_eq!(text(&app, "/test/a/b%2Fc").as_deref(), Some(r#"["a", "b/c"]"#));
        assert_eq!(text(&app, "/add/1/2").as_deref(), Some("3"));
        assert_eq!(text(&app, "/add/1").as_deref(), Some("1"));
        for absent in [
            "/",
            "/add",
            "/add/x",
            "/add/1/2/3",
            "/secret",
            "/Test",
            "//test",
            "/test%2Fa",
        ] {
            assert_eq!(text(&app, absent), None, "{absent}");
        }
    }

    #[test]
    fn functions_come_and_go_while_requests_are_answered() {
        let methods = Methods::new().add("", || "root");
        let app = App::new(methods.clone());
        assert_eq!(text(&app, "/").as_deref(), Some("root"));
        assert_eq!(text(&app, "/monkey"), None);
        methods.insert("monkey", || "first");
        methods.insert("monkey", || "second");
        assert_eq!(text(&app, "/monkey").as_deref(), Some("second"));
        assert!(methods.remove("monkey"));
        assert!(!methods.remove("monkey"));
        assert_eq!(text(&app, "/monkey"), None);
    }

    #[test]
    fn a_request_keeps_the_table_it_began_with() {
        let methods = Methods::new();
        let inside = methods.clone();
        methods.insert("leave", move || {
            inside.remove("leave");
            inside.names().len().to_string()
        });
        let app = App::new(methods.into_dispatch());
        assert_eq!(text(&app, "/leave").as_deref(), Some("0"));
        assert_eq!(text(&app, "/leave"), None);
    }

    #[test]
    #[should_panic(expected = "two functions are called `a`: at src/dispatch/methods.rs")]
    fn one_name_is_one_function() {
        let _ = Methods::new().add("a", || "1").add("a", || "2");
    }
}

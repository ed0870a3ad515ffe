//! The state that handlers need, and the check that something shares it: done when an application is created, so that no
//! request has to find out.

use std::any::{TypeId, type_name};
use std::fmt::Write;
use std::panic::Location;
use std::sync::{Arc, Weak};

use crate::request::shared_types;

/// The [`State`](crate::State) that an argument needs; see [`FromRequest::needs`](crate::FromRequest::needs).
#[derive(Clone, Debug, Default)]
pub struct Needs(Vec<Need>);

/// A `State<T>` that is needed.
#[derive(Clone, Copy, Debug)]
struct Need {
    /// It is shared as a `T`, or as an `Arc<T>`.
    types: (TypeId, TypeId),
    name: &'static str,
    // Behind a pointer that only `Needs::state` has, so the linker drops the text from programs without state.
    explain: Explain,
    /// The advice if there is none; empty where that is the same for all.
    remedy: &'static str,
}

type Explain = fn(&Need, &str, &Around) -> String;

/// A `T` that is shared.
#[derive(Clone, Copy, Debug)]
pub(super) struct SharedState {
    id: TypeId,
    name: &'static str,
    at: &'static Location<'static>,
}

/// The state that is shared around a part of an application.
#[derive(Clone, Debug, Default)]
pub(super) struct Around {
    shared: Vec<SharedState>,
    /// The types that are shared around other parts, for explanations.
    elsewhere: Vec<SharedState>,
}

/// The life of an application, for what is added to its parts later: that need only suit applications that still exist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life(Arc<()>);

/// The types that are shared around a part in each of the applications that have it.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings(Vec<(Weak<()>, Around)>);

/// The check of an application, in the order in which it is described.
#[derive(Clone, Debug)]
pub(super) struct StateCheck {
    life: Life,
    around: Around,
    unmet: Vec<(Need, String, Around)>,
}

impl Needs {
    pub(super) const fn new() -> Needs {
        Needs(Vec::new())
    }

    /// Notes that a [`State<T>`](crate::State) is needed.
    pub fn state<T: ?Sized + Send + Sync + 'static>(&mut self) {
        self.0.push(Need {
            types: shared_types::<T>(),
            name: type_name::<T>(),
            explain: Need::explain,
            remedy: "",
        });
    }

    /// Notes that hooks are needed around the handler, which share themselves as a [`State<T>`](crate::State). `remedy` says
    /// what to do if there are none.
    ///
    /// ```
    /// use hansel::dispatch::Needs;
    /// use hansel::{Extension, FromRequest, Hooks, Request, dispatch::IntoDispatch};
    ///
    /// /// Notes the language of each request.
    /// struct Languages;
    ///
    /// impl Languages {
    ///     fn on<K>(self, inner: impl IntoDispatch<K>) -> Hooks {
    ///         Hooks::on(inner).state(self).before(|request: &Request| request.set(Language("de")))
    ///     }
    /// }
    ///
    /// #[derive(Clone, Copy)]
    /// struct Language(&'static str);
    ///
    /// impl FromRequest for Language {
    ///     type Rejection = hansel::Error;
    ///
    ///     fn from_request(request: &Request) -> hansel::Result<Language> {
    ///         Extension::<Language>::from_request(request).map(|language| *language)
    ///     }
    ///
    ///     fn needs(needs: &mut Needs) {
    ///         needs.hooks::<Languages>("put `Languages.on(..)` around its routes");
    ///     }
    /// }
    /// # let app = hansel::App::new(Languages.on(hansel::Routes::new().get("/", |language: Language| language.0)));
    /// # assert_eq!(hansel::test::Client::new(app).get("/").text(), "de");
    /// ```
    pub fn hooks<T: ?Sized + Send + Sync + 'static>(&mut self, remedy: &'static str) {
        self.0.push(Need {
            types: shared_types::<T>(),
            name: type_name::<T>(),
            explain: Need::explain_hooks,
            remedy,
        });
    }
}

impl SharedState {
    #[track_caller]
    pub(super) fn of<T: ?Sized + Send + Sync + 'static>() -> SharedState {
        SharedState {
            id: shared_types::<T>().0,
            name: type_name::<T>(),
            at: Location::caller(),
        }
    }
}

impl Around {
    fn has(&self, need: &Need) -> bool {
        self.shared.iter().any(|shared| shared.meets(need))
    }
}

impl Surroundings {
    /// Returns the problem if something that `needs` is not shared everywhere. `taker` is who takes it.
    pub(super) fn problem(&self, needs: &Needs, taker: impl FnOnce() -> String) -> Option<String> {
        let living = self.0.iter().filter(|(life, _)| life.strong_count() > 0);
        let mut unmet = living.flat_map(|(_, around)| needs.0.iter().map(move |need| (need, around)));
        let (need, around) = unmet.find(|(need, around)| !around.has(need))?;
        Some((need.explain)(need, &taker(), around))
    }
}

impl StateCheck {
    pub(super) fn of(life: &Life) -> StateCheck {
        StateCheck {
            life: life.clone(),
            around: Around::default(),
            unmet: Vec::new(),
        }
    }

    /// Begins the part of the application around which `shared` is shared.
    pub(super) fn enter(&mut self, shared: &[SharedState]) {
        self.around.shared.extend_from_slice(shared);
    }

    /// Ends the part that [`enter`](StateCheck::enter) has begun.
    pub(super) fn leave(&mut self, shared: &[SharedState]) {
        let outer = self.around.shared.len().saturating_sub(shared.len());
        self.around.shared.truncate(outer);
        self.around.elsewhere.extend_from_slice(shared);
    }

    /// Adds what is shared around the part that is being described.
    pub(super) fn note(&self, surroundings: &mut Surroundings) {
        surroundings.0.retain(|(life, _)| life.strong_count() > 0);
        surroundings.0.push((Arc::downgrade(&self.life.0), self.around.clone()));
    }

    /// Notes what `taker` needs and nothing shares.
    pub(super) fn check(&mut self, needs: &Needs, taker: impl FnOnce() -> String) {
        let unmet: Vec<Need> = needs.0.iter().filter(|need| !self.around.has(need)).copied().collect();
        if unmet.is_empty() {
            return;
        }
        let taker = taker();
        for need in unmet {
            self.unmet.push((need, taker.clone(), self.around.clone()));
        }
    }

    /// Returns the problem, with a line for each need that is not met.
    pub(super) fn problem(mut self) -> Option<String> {
        // What follows may share it, too: only now everything has been seen.
        let lines = self.unmet.iter_mut().map(|(need, taker, around)| {
            around.elsewhere.clone_from(&self.around.elsewhere);
            (need.explain)(need, taker, around)
        });
        let lines: Vec<String> = lines.collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

impl Need {
    fn explain_hooks(&self, taker: &str, _: &Around) -> String {
        // Where it is defined tells nothing: users know it by what they import.
        let (path, _) = self.name.split_once('<').unwrap_or((self.name, ""));
        let name = path.rsplit("::").next().unwrap_or(path);
        format!("{taker} needs `{name}` around it, and there is none: {}", self.remedy)
    }

    fn explain(&self, taker: &str, around: &Around) -> String {
        let name = self.name;
        let mut text = format!("{taker} takes a `State<{name}>`, and nothing around it shares one: ");
        let known = || around.elsewhere.iter().chain(&around.shared);
        let same = known().find(|shared| shared.meets(self));
        let near = known().find(|shared| shared.is_near(name));
        let _ = match (same, near) {
            (Some(same), _) => write!(text, "the one that is shared at {} is around other handlers", same.at),
            (None, Some(near)) if is_arc_of(name, near.name) => write!(
                text,
                "a `State<{}>` is shared at {}, and is in an `Arc` already",
                near.name, near.at
            ),
            (None, Some(near)) => write!(text, "what is shared, at {}, is a `State<{}>`", near.at, near.name),
            (None, None) => write!(
                text,
                "share it by `Hooks::on(..).state(..)`; if a hook sets it for each request, take `Extension<{name}>`; if \
                 it is shared by what this application will be mounted in, say so by `.expects_state::<{name}>()`"
            ),
        };
        text
    }
}

impl SharedState {
    fn meets(&self, need: &Need) -> bool {
        self.id == need.types.0 || self.id == need.types.1
    }

    /// Returns whether one type has the other inside, such as a `Mutex<T>`, or has the same last name.
    fn is_near(&self, name: &str) -> bool {
        let holds = |outer: &str, inner: &str| outer.contains(&format!("<{inner}>"));
        holds(self.name, name) || holds(name, self.name) || is_namesake(self.name, name)
    }
}

fn is_namesake(one: &str, other: &str) -> bool {
    let has_parameters = one.contains('<') || other.contains('<');
    !has_parameters && one.rsplit("::").next() == other.rsplit("::").next()
}

fn is_arc_of(outer: &str, inner: &str) -> bool {
    outer
        .strip_prefix("alloc::sync::Arc<")
        .and_then(|rest| rest.strip_suffix('>'))
        == Some(inner)
}

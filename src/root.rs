//! The questions of an application to its dispatchers, besides dispatch: the URLs of its routes, and all methods that it takes.

use std::fmt::Display;

use crate::dispatch::{
    Dispatch, HookRuns, Kept, Map, MethodSet, Place, Purpose, UrlError, Walk, build_url, stays_as_it_is,
};
use crate::{Method, Request};

/// The dispatchers of an application.
///
/// The answers made of their map are kept, so that neither a URL nor `OPTIONS *` takes longer the more routes there are.
pub(crate) struct Root {
    pub(crate) dispatch: Box<dyn Dispatch>,
    /// Sorted by name. A map by hash would be linked into programs that build no URL, too: it must be dropped.
    names: Kept<Vec<Named>>,
    allow: Kept<String>,
}

/// An endpoint with a name.
struct Named {
    name: String,
    pattern: String,
    /// A method that it takes.
    method: Method,
}

impl Root {
    pub(crate) fn new(dispatch: Box<dyn Dispatch>) -> Root {
        Root {
            dispatch,
            names: Kept::default(),
            allow: Kept::default(),
        }
    }

    /// Returns everything that can be reached at this moment.
    pub(crate) fn map(&self) -> Map {
        let mut map = Map::new();
        self.dispatch.describe(&mut map);
        map
    }

    /// Returns the path of the route with this name: see [`App::url_for`](crate::App::url_for).
    pub(crate) fn url_for(&self, name: &str, values: &[&dyn Display]) -> Result<String, UrlError> {
        let names = self.names.current(|| self.names_now());
        let place = names.binary_search_by(|named| named.name.as_str().cmp(name));
        let named = place.ok().and_then(|place| names.get(place));
        let Named { pattern, method, .. } = named.ok_or_else(|| UrlError::UnknownName(name.to_owned()))?;
        let url = build_url(pattern, values)?;
        let leads_here = |request: Request| {
            self.rematch(&request).is_some_and(|reached| reached == *pattern)
                && request.captured().eq(values.iter().map(|value| value.to_string()))
        };
        if stays_as_it_is(&url) && Request::try_new(method.clone(), &url).is_ok_and(leads_here) {
            return Ok(url);
        }
        Err(UrlError::LeadsElsewhere {
            url,
            pattern: pattern.clone(),
        })
    }

    fn names_now(&self) -> Vec<Named> {
        let named = |place: Place| {
            Some(Named {
                name: place.name?,
                pattern: place.pattern,
                method: place.methods.iter().next().cloned().unwrap_or_default(),
            })
        };
        let mut names: Vec<Named> = self.map().into_places().into_iter().filter_map(named).collect();
        // If a dispatcher that changes gives a name twice, the first place counts.
        names.sort_by(|one, other| one.name.cmp(&other.name));
        names.dedup_by(|second, first| second.name == first.name);
        names
    }

    /// Returns the pattern of the endpoint that a request would reach.
    pub(crate) fn rematch(&self, request: &Request) -> Option<String> {
        request.record_endpoint();
        let runs = HookRuns::default();
        let mut walk = Walk::new(request, request.segments(), Purpose::Rematch, None, &runs);
        self.dispatch.dispatch(&mut walk).is_ok().then(|| request.endpoint())
    }

    /// Calls `with` with the methods that are allowed at some path, as the value of Allow.
    pub(crate) fn allowed_anywhere<R>(&self, with: impl FnOnce(&str) -> R) -> R {
        let allow = self.allow.current(|| {
            let mut all = MethodSet::empty();
            for place in self.map().places() {
                all.merge(&place.methods);
            }
            all.allow().to_string()
        });
        with(&allow)
    }
}

impl Request {
    /// Returns the path of the route with this name, with these values in the place of its parameters: what
    /// [`App::url_for`](crate::App::url_for) returns, with the same checks, for handlers and hooks.
    ///
    /// The names are those of the [`App`](crate::App) that handles the request. If an `App` is mounted in another, they are those
    /// of the inner one in its handlers and hooks, and those of the outer one in that one's: each knows its own. Names of
    /// [`Routes`](crate::Routes) that are mounted without an `App` around them belong to the `App` that they are mounted in.
    ///
    /// The names are looked up in a table that is made once, so a URL takes no longer where there are many routes.
    ///
    /// ```
    /// use hansel::{Request, Response, Routes, test::Client};
    ///
    /// fn order(request: &Request) -> hansel::Result<Response> {
    ///     let number = 7;
    ///     Ok(Response::see_other(request.url_for("order", &[&number])?))
    /// }
    ///
    /// let orders = Routes::new().post("/", order).get("/{number}", |number: u32| number.to_string()).name("order");
    /// let client = Client::new(Routes::new().mount("/orders", orders));
    /// assert_eq!(client.post("/orders", "").header("Location"), Some("/orders/7"));
    /// ```
    ///
    /// # Errors
    /// If no `App` handles the request, there is no such name, or the values do not fit the parameters: `..` never does.
    pub fn url_for(&self, name: &str, values: &[&dyn Display]) -> Result<String, UrlError> {
        let root = self.innermost().current::<Root>().ok_or(UrlError::NoApp)?;
        root.url_for(name, values)
    }
}

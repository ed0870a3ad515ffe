//! The purposes of a walk, and what each implies.

/// The purpose of a walk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Calls the endpoint.
    Respond,
    /// Finds the endpoint that would be called.
    Explain,
    /// The same along another path, to which the client may be sent. What a hook forbids is the response.
    LookAhead,
    /// Checks that a path that was built for an endpoint leads there. Hooks that may refuse the request do not run.
    Rematch,
    /// Collects the methods that are allowed at the path: no endpoint is reached.
    Survey,
    /// The same, without the hooks that may refuse the request.
    Preflight,
}

impl Purpose {
    /// Returns true if only the methods at the path are asked for.
    pub(in crate::dispatch) fn is_survey(self) -> bool {
        matches!(self, Purpose::Survey | Purpose::Preflight)
    }

    /// Returns true if what a hook forbids is the response.
    pub(in crate::dispatch) fn keeps_refusals(self) -> bool {
        matches!(self, Purpose::Respond | Purpose::LookAhead)
    }

    /// Returns true if hooks run that may refuse the request.
    pub(in crate::dispatch) fn runs_hooks(self) -> bool {
        !matches!(self, Purpose::Rematch | Purpose::Preflight)
    }
}

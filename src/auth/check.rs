//! The result of a check of a sender.

use crate::{IntoResponse, Request, Response};

/// The result of a program's own check.
///
/// | returned | means |
/// |---|---|
/// | `Option<U>` | the user, or `None`: nobody known |
/// | `Result<Option<U>, E>` | the same, or the check failed: the error is the response |
///
/// This trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who the sender is",
    note = "a check returns `Option<User>` with a type of yours, or a `Result<Option<User>, E>` whose error is a response, such as `hansel::Result<Option<User>>`"
)]
pub trait Checked: sealed::Sealed {
    /// The type of a user.
    type User: Send + Sync + 'static;

    /// Returns the user, if the sender is known.
    ///
    /// # Errors
    /// Returns the response of a check that failed.
    fn checked(self) -> Result<Option<Self::User>, Response>;
}

impl<U: Send + Sync + 'static> Checked for Option<U> {
    type User = U;

    fn checked(self) -> Result<Option<U>, Response> {
        Ok(self)
    }
}

impl<U: Send + Sync + 'static, E: IntoResponse> Checked for Result<Option<U>, E> {
    type User = U;

    fn checked(self) -> Result<Option<U>, Response> {
        self.map_err(E::into_response)
    }
}

/// Sets the user of a check on the request. Returns true if there is one.
pub(super) fn set_user(request: &Request, checked: impl Checked) -> Result<bool, Response> {
    let user = checked.checked()?;
    let is_known = user.is_some();
    if let Some(user) = user {
        request.set(user);
    }
    Ok(is_known)
}

mod sealed {
    /// Only types of this file implement it.
    pub trait Sealed {}

    impl<U> Sealed for Option<U> {}

    impl<U, E> Sealed for Result<Option<U>, E> {}
}

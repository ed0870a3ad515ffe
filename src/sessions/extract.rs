//! Sessions and tokens as arguments of handlers. That they are there is checked when an application is created.

use super::{Csrf, CsrfToken, Session, Sessions};
use crate::dispatch::Needs;
use crate::{Error, FromRequest, Request, Result};

impl FromRequest for Session {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<Session> {
        Session::of(request)
    }

    fn needs(needs: &mut Needs) {
        needs.hooks::<Sessions>("put `Sessions::in_store(..).on(..)` around its routes");
    }
}

impl FromRequest for CsrfToken {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<CsrfToken> {
        CsrfToken::of(request)
    }

    fn needs(needs: &mut Needs) {
        needs.hooks::<Csrf>("put `Csrf::new().on(..)` around its routes, so that the token is checked");
    }
}

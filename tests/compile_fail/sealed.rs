//! Sealed traits, implemented by somebody else.

use hansel::dispatch::{IntoDispatch, Routes, Verdict};
use hansel::{App, Application, IntoApplication, Metric, Response};

struct Mine;

impl Verdict for Mine {
    fn verdict(self) -> Option<Response> {
        None
    }
}

impl IntoDispatch<Mine> for Mine {
    fn into_dispatch(self) -> impl hansel::dispatch::Dispatch + 'static {
        Routes::new()
    }
}

impl IntoApplication<Mine> for Mine {
    fn into_application(self) -> impl Application {
        App::new(Routes::new())
    }
}

impl Metric for Mine {}

fn main() {}

//! The module `hansel._hansel`: a WSGI application served by hansel.

mod body_out;
mod boundary;
mod candidates;
mod environ;
mod file_wrapper;
mod gateway;
mod input;
mod iterable;
mod logging;
mod mounts;
mod server;
mod start_response;
mod turns;

use pyo3::prelude::*;

#[pymodule]
fn _hansel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<file_wrapper::FileWrapper>()?;
    module.add_class::<input::Input>()?;
    module.add_class::<candidates::Candidates>()?;
    module.add_class::<mounts::Mount>()?;
    module.add_class::<mounts::Mounts>()?;
    module.add_class::<server::Server>()?;
    module.add_class::<server::Running>()
}

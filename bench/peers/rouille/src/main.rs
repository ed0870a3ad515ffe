//! rouille, with a pool of as many threads as handlers may block at once.

use std::borrow::Cow;
use std::io;

use rouille::{Request, Response, ResponseBody, router};
use work::{ITEM_HEADERS, Settings};

fn main() {
    let settings = Settings::of_arguments();
    rouille::start_server_with_pool(settings.address(), Some(settings.threads), respond);
}

fn respond(request: &Request) -> Response {
    router!(request,
        (GET) ["/"] => { Response::text(work::HELLO) },
        (GET) ["/user/{id}", id: String] => { Response::text(work::user(&id)) },
        (GET) ["/shops/{shop}/items/{item}", shop: String, item: String] => {
            item_page(request, &shop, &item)
        },
        (GET) ["/json"] => { Response::from_data("application/json", work::json()) },
        (GET) ["/10k"] => { large(work::ten_kb()) },
        (GET) ["/1m"] => { large(work::one_mb()) },
        (POST) ["/upload"] => { upload(request) },
        (GET) ["/sleep"] => {
            work::sleep();
            Response::text(work::HELLO)
        },
        _ => Response::empty_404()
    )
}

/// Unlike `Response::text`, this copies nothing.
fn large(body: &'static str) -> Response {
    Response {
        data: ResponseBody::from_reader_and_size(body.as_bytes(), body.len()),
        ..Response::text("")
    }
}

fn item_page(request: &Request, shop: &str, item: &str) -> Response {
    let query = Some(request.raw_query_string());
    let page = work::item_page(shop, item, query, request.header("Cookie"));
    let [(_, kind), others @ ..] = ITEM_HEADERS;
    let mut response = Response::from_data(kind, page);
    for (name, value) in others {
        response.headers.push((Cow::from(name), Cow::from(value)));
    }
    response
}

fn upload(request: &Request) -> Response {
    let mut body = request.data().expect("the body is taken once");
    match io::copy(&mut body, &mut io::sink()) {
        Ok(count) => Response::text(count.to_string()),
        Err(_) => Response::empty_400(),
    }
}

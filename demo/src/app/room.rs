//! A WebSocket: what it is sent comes back, and all are told who is there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hansel::websocket::{Closed, Message, Opening, Socket, SocketSettings, WebSocket};
use hansel::{Hooks, Routes, State, Topic};

/// The names of those who are in the room, in order; who comes next has the next one.
const NAMES: [&str; 6] = ["Hansel", "Gretel", "the witch", "the duck", "the cat", "the pigeon"];

/// Who is there, by the ids of their sockets, and where all hear of it.
#[derive(Default)]
struct Room {
    guests: Mutex<BTreeMap<u64, &'static str>>,
    all: Topic,
}

type Guest = Socket<Arc<Room>>;

pub(super) fn room() -> Hooks {
    let routes = Routes::new().get("/", enter);
    Hooks::on(routes).state(Arc::<Room>::default())
}

fn enter(socket: WebSocket, room: State<Arc<Room>>) -> Opening<Arc<Room>> {
    let small = SocketSettings::new().message(200).rate(1000);
    socket
        .settings(small)
        .open(Arc::clone(&room))
        .on_open(|socket: &Guest| socket.state().enter(socket))
        .on_message(|socket: &Guest, message: Message<'_>| socket.send(message))
        .on_close(|socket: &Guest, _: &Closed| socket.state().leave(socket.id()))
}

impl Room {
    fn enter(&self, socket: &Guest) {
        socket.join(&self.all);
        self.change(|guests| {
            let is_free = |name: &&str| !guests.values().any(|taken| taken == name);
            let name = NAMES.into_iter().find(is_free).unwrap_or("somebody");
            guests.insert(socket.id(), name);
        });
    }

    fn leave(&self, id: u64) {
        self.change(|guests| {
            guests.remove(&id);
        });
    }

    /// Changes who is there, and tells all. The lock is held for both, so that the last one told is how it is.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, &'static str>)) {
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut guests);
        let names: Vec<&str> = guests.values().copied().collect();
        self.all.send(format!("Here: {}", names.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use crate::app::app;
    use hansel::Request;
    use hansel::test::Client;
    use hansel::websocket::{CloseCode, Message};

    #[test]
    fn what_is_sent_comes_back_and_all_are_told_who_is_there() {
        let client = Client::new(app());
        let enter = || client.socket(Request::get("/room")).unwrap();
        let mut first = enter();
        assert_eq!(first.receive(), Some(Message::Text("Here: Hansel")));
        let mut second = enter();
        for socket in [&mut first, &mut second] {
            assert_eq!(socket.receive(), Some(Message::Text("Here: Hansel, Gretel")));
        }
        second.send("nibble");
        assert_eq!(second.receive(), Some(Message::Text("nibble")));
        second.close(CloseCode::NORMAL);
        assert_eq!(first.receive(), Some(Message::Text("Here: Hansel")));
        first.send("x".repeat(201));
        assert_eq!(first.receive(), None);
        assert_eq!(first.close_code(), Some(CloseCode::TOO_BIG));
    }
}

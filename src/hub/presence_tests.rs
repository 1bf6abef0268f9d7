use super::*;

fn user(id: &'static str) -> User {
    User { id: id.into(), email: None }
}

fn present<'a>(presence: &'a Presence, room: &Room, id: &str) -> &'a Present {
    presence.roster(room, Some(id), 1, 0).pop().expect("is there")
}

/// What is told of a room, and to whom: `+a` came, `-a` went.
fn told_to(presence: &mut Presence) -> Vec<(String, Audience)> {
    let mut told = Vec::new();
    while let Some((room, news)) = presence.next_untold(Instant::now()) {
        for Change { user, is_here, audience } in presence.changes(&room, news) {
            told.push((format!("{}{}", if is_here { '+' } else { '-' }, user.id), audience));
        }
    }
    told.sort_by(|(one, _), (other, _)| one.cmp(other));
    told
}

fn told(presence: &mut Presence) -> Vec<String> {
    told_to(presence).into_iter().map(|(told, _)| told).collect()
}

#[test]
fn who_comes_in_between_is_told_what_is_not_as_it_was_then() {
    let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
    presence.enter(&room, &user("a"), SocketId(1));
    presence.enter(&room, &user("b"), SocketId(2));
    // Both were told by their acks that they are in; the first, not that the second is.
    let all_but = |sockets: &[u64]| Audience::AllBut(sockets.iter().copied().map(SocketId).collect());
    let only = |socket: u64| Audience::Only(vec![SocketId(socket)]);
    assert_eq!(told_to(&mut presence), [("+a".to_owned(), all_but(&[1, 2])), ("+b".to_owned(), all_but(&[2]))]);
    presence.leave(&room, "a", SocketId(1));
    presence.enter(&room, &user("c"), SocketId(3));
    presence.enter(&room, &user("a"), SocketId(4));
    assert_eq!(told_to(&mut presence), [("+a".to_owned(), only(3)), ("+c".to_owned(), all_but(&[3, 4]))]);
    presence.enter(&room, &user("d"), SocketId(5));
    presence.enter(&room, &user("b"), SocketId(6));
    presence.leave(&room, "d", SocketId(5));
    // To the sixth socket only.
    assert_eq!(told_to(&mut presence).iter().map(|(told, _)| told.as_str()).collect::<Vec<_>>(), ["-d"]);
}

#[test]
fn a_user_comes_by_the_first_socket_and_goes_with_the_last() {
    let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
    presence.enter(&room, &user("a"), SocketId(1));
    presence.enter(&room, &user("b"), SocketId(2));
    assert_eq!(told(&mut presence), ["+a", "+b"]);
    presence.enter(&room, &user("a"), SocketId(3));
    presence.leave(&room, "a", SocketId(1));
    assert!(told(&mut presence).is_empty());
    presence.leave(&room, "a", SocketId(3));
    assert_eq!(told(&mut presence), ["-a"]);
    assert_eq!(presence.count(&room), 1);
}

#[test]
fn who_is_back_before_it_is_told_was_never_away() {
    let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
    presence.enter(&room, &user("a"), SocketId(1));
    presence.enter(&room, &user("b"), SocketId(2));
    let state = serde_json::json!({ "color": "red" });
    assert!(presence.set_state(&room, "a", state.clone()));
    told(&mut presence);
    let since = present(&presence, &room, "a").since();
    presence.leave(&room, "a", SocketId(1));
    presence.enter(&room, &user("a"), SocketId(3));
    assert!(told(&mut presence).is_empty());
    let back = present(&presence, &room, "a");
    assert_eq!((back.since(), back.state()), (since, Some(&state)));
}

#[test]
fn a_user_is_called_by_the_token_that_was_shown_last() {
    let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
    let called = |email: &'static str| User { email: Some(email.into()), ..user("a") };
    let emails = |presence: &mut Presence| {
        let news = presence.next_untold(Instant::now());
        let changes = news.into_iter().flat_map(|(room, news)| presence.changes(&room, news));
        let emails = changes.filter(|change| &*change.user.id == "a").map(|change| change.user.email);
        emails.flatten().collect::<Vec<_>>()
    };
    presence.enter(&room, &user("b"), SocketId(1));
    presence.enter(&room, &called("old"), SocketId(2));
    presence.rename(&room, &called("new"));
    assert_eq!(emails(&mut presence), ["new".into()], "before it was told that they came");
    presence.rename(&room, &called("newer"));
    assert_eq!(*present(&presence, &room, "a").user(), called("newer"));
    presence.enter(&room, &called("tab"), SocketId(3));
    assert_eq!(*present(&presence, &room, "a").user(), called("tab"));
    for socket in [2, 3] {
        presence.leave(&room, "a", SocketId(socket));
    }
    assert_eq!(emails(&mut presence), ["tab".into()]);
    presence.enter(&room, &called("tab"), SocketId(4));
    emails(&mut presence);
    presence.leave(&room, "a", SocketId(4));
    presence.enter(&room, &called("back"), SocketId(5));
    assert_eq!(*present(&presence, &room, "a").user(), called("back"), "who is back within a tick, too");
    assert!(emails(&mut presence).is_empty());
    // Of who is in no such room nothing is kept.
    presence.rename(&Room::row("component", "y"), &called("lost"));
    assert_eq!(presence.rooms.len(), 1);
}

#[test]
fn a_roster_keeps_to_its_number_and_size_and_names_its_reader() {
    let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
    for (socket, name) in (1..).zip(["a", "b", "c", "d"]) {
        presence.enter(&room, &user(name), SocketId(socket));
    }
    let names = |presence: &Presence, reader: Option<&str>, most: usize, bytes: usize| {
        let roster = presence.roster(&room, reader, most, bytes);
        roster.iter().map(|present| present.user().id.to_string()).collect::<String>()
    };
    let size = Present::new(user("a")).size();
    for (reader, most, bytes, expected) in [
        (None, 9, 9_999, "abcd"),
        (None, 2, 9_999, "ab"),
        (Some("a"), 9, 9_999, "bcda"),
        (Some("d"), 2, 9_999, "ad"),
        (Some("nobody"), 2, 9_999, "ab"),
        (Some("d"), 9, 3 * size, "abd"),
        (Some("d"), 9, 3 * size - 1, "ad"),
        (Some("d"), 0, 0, "d"),
    ] {
        assert_eq!(names(&presence, reader, most, bytes), expected, "{reader:?} {most} {bytes}");
    }
    presence.set_state(&room, "b", serde_json::json!({ "text": "x".repeat(2_000) }));
    assert_eq!(names(&presence, None, 9, 2_000), "a");
    assert_eq!(names(&presence, Some("b"), 9, 2_000), "b");
    presence.set_state(&room, "b", serde_json::json!({}));
    assert_eq!(names(&presence, None, 9, 2_000), "abcd");
}

#[test]
fn who_came_and_went_before_it_was_told_was_never_there() {
    let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
    presence.enter(&room, &user("a"), SocketId(1));
    told(&mut presence);
    presence.enter(&room, &user("b"), SocketId(2));
    presence.leave(&room, "b", SocketId(2));
    assert!(told(&mut presence).is_empty());
}

#[test]
fn rooms_are_told_in_turns() {
    let mut presence = Presence::default();
    let rooms = ["x", "y", "z"].map(|key| Room::row("component", key));
    for (room, socket) in rooms.iter().zip(1..) {
        presence.enter(room, &user("a"), SocketId(socket));
    }
    presence.rest(rooms[1].clone(), Duration::from_secs(60));
    // Who changes all the time does not come before its turn.
    presence.enter(&rooms[0], &user("b"), SocketId(4));
    let now = Instant::now();
    assert_eq!(presence.next_untold(now).map(|(room, _)| room), Some(rooms[0].clone()));
    presence.enter(&rooms[0], &user("c"), SocketId(5));
    let next: Vec<Room> = std::iter::from_fn(|| presence.next_untold(now)).map(|(room, _)| room).collect();
    assert_eq!(next, [rooms[2].clone(), rooms[0].clone()]);
    let later = now + Duration::from_secs(61);
    assert_eq!(presence.next_untold(later).map(|(room, _)| room), Some(rooms[1].clone()));
    assert!(presence.next_untold(later).is_none() && presence.queue.is_empty());
}

#[test]
fn a_room_that_rests_is_told_later() {
    let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
    presence.enter(&room, &user("a"), SocketId(1));
    presence.rest(room.clone(), Duration::from_secs(60));
    assert!(told(&mut presence).is_empty());
    assert!(presence.is_untold());
    let later = Instant::now() + Duration::from_secs(61);
    assert!(presence.next_untold(later).is_some());
}

#[test]
fn a_room_that_nobody_is_in_leaves_nothing_behind() {
    let (mut presence, room) = (Presence::default(), Room::row("component", "x"));
    presence.enter(&room, &user("a"), SocketId(1));
    presence.rest(room.clone(), Duration::from_secs(60));
    presence.leave(&room, "a", SocketId(1));
    assert!(presence.rooms.is_empty() && presence.untold.is_empty() && presence.resting.is_empty());
}

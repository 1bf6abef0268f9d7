//! Who is away, comes back, and finds that others were faster; and who can have no socket.

use super::{FIRST, FIRST_NAME, SECOND_NAME, Table, write};

const PROSE: &str = "[data-component$='0001'] .prose textarea";

#[tokio::test]
async fn who_was_offline_is_told_what_was_missed_and_what_was_typed_is_written() {
    let table = Table::lay().await;
    let (ada, bruno) = (table.seat("Ada").await, table.seat("Bruno").await);
    ada.click("button", "Go offline").await;
    ada.see(".pill", "Offline").await;
    bruno.gone(".faces [aria-label='Ada is here']", "A").await;
    ada.gone(".faces [aria-label='Bruno is here']", "B").await;
    write(&ada, PROSE, "Typed while away").await;
    ada.see(".notice", "1 change of yours waits here").await;
    ada.see(&format!("{FIRST} .hint"), "Kept here").await;
    for name in ["One", "Two", "Three"] {
        write(&bruno, SECOND_NAME, name).await;
        bruno.see(".entry", &format!("{name} · name")).await;
    }
    assert_eq!(ada.reads(SECOND_NAME).await, "Things to do");
    ada.click("button", "Go online").await;
    ada.see(".notice", "3 events caught up").await;
    ada.holds(SECOND_NAME, "Three").await;
    ada.see(".entry.missed", "Three").await;
    // Bruno's name was another part of the page, and of what Ada changed nobody else wrote anything.
    bruno.holds(PROSE, "Typed while away").await;
    ada.gone(".hint", "Kept here").await;
    table.clear().await;
}

#[tokio::test]
async fn a_conflict_is_shown_and_decided_for_theirs_for_mine_for_both_or_later() {
    let table = Table::lay().await;
    let (ada, bruno) = (table.seat("Ada").await, table.seat("Bruno").await);
    // Ada begins, Bruno is faster: of one name, and beside it of another part, which is no conflict.
    let collide = async |theirs: &str, mine: &str| {
        ada.fill(FIRST_NAME, mine).await;
        write(&bruno, FIRST_NAME, theirs).await;
        ada.see(&format!("{FIRST} .hint"), "Changed by somebody else").await;
        ada.press(&["Enter"]).await;
        ada.see("dialog", "Two of you changed this").await;
        ada.see("dialog blockquote", theirs).await;
        ada.see("dialog blockquote", mine).await;
    };
    collide("Their first", "My first").await;
    ada.click("button", "Keep theirs").await;
    ada.gone("dialog", "").await;
    ada.holds(FIRST_NAME, "Their first").await;

    collide("Their second", "My second").await;
    ada.click("button", "Keep mine").await;
    bruno.holds(FIRST_NAME, "My second").await;

    collide("My second walk", "A second").await;
    ada.holds("dialog textarea", "A second walk").await;
    ada.click("button", "Save merged").await;
    bruno.holds(FIRST_NAME, "A second walk").await;

    collide("Their last", "My last").await;
    ada.click("button", "Decide later").await;
    ada.gone("dialog", "").await;
    ada.holds(FIRST_NAME, "My last").await;
    assert_eq!(bruno.reads(FIRST_NAME).await, "Their last");
    // The keyboard is back in the field; who is done there again is asked again.
    ada.press(&["Enter"]).await;
    ada.see("dialog", "Two of you changed this").await;
    ada.press(&["Escape"]).await;
    ada.gone("dialog", "").await;
    ada.press(&["Escape"]).await;
    ada.holds(FIRST_NAME, "Their last").await;

    ada.fill(PROSE, "Beside the name").await;
    write(&bruno, FIRST_NAME, "Not in the way").await;
    ada.holds(".statement select option", "00000000-0000-4000-8000-000000000001").await;
    ada.see(".entry", "Not in the way").await;
    ada.press(&["Enter"]).await;
    bruno.holds(PROSE, "Beside the name").await;
    assert_eq!(bruno.reads(FIRST_NAME).await, "Not in the way");
    table.clear().await;
}

#[tokio::test]
async fn where_no_socket_can_be_had_the_page_polls_and_goes_back_to_the_socket_by_itself() {
    let table = Table::lay().await;
    let bruno = table.seat("Bruno").await;
    let ada = table.screen.beside("Ada");
    ada.open_blockable(&table.url_of("Ada")).await;
    ada.see(".pill", "Live").await;
    ada.block(true).await;
    ada.see(".pill", "Polling").await;
    ada.see(".notice", "No socket can be had").await;
    write(&bruno, SECOND_NAME, "Seen by polling").await;
    ada.holds(SECOND_NAME, "Seen by polling").await;
    ada.see(".entry.polled", "Seen by polling").await;
    // What Ada writes meanwhile waits for a socket.
    write(&ada, FIRST_NAME, "Typed while polling").await;
    ada.see(&format!("{FIRST} .hint"), "Kept here").await;
    ada.block(false).await;
    ada.see(".pill", "Live").await;
    bruno.holds(FIRST_NAME, "Typed while polling").await;
    write(&bruno, SECOND_NAME, "Seen by the socket").await;
    ada.holds(SECOND_NAME, "Seen by the socket").await;
    ada.see(".entry.live", "Seen by the socket").await;
    table.clear().await;
}

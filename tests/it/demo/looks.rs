//! That it can be used by keyboard, by screen readers, on a desk and on a phone, in light and dark.

use serde_json::json;

use super::{FIRST_NAME, Table, write};

#[tokio::test]
async fn everything_is_reached_by_the_keyboard_alone() {
    let table = Table::lay().await;
    let (ada, bruno) = (table.seat("Ada").await, table.seat("Bruno").await);
    ada.go_to("Tab", "Done: Fetch ice").await;
    ada.press(&["Space", "Tab", "End"]).await;
    ada.text(" and salt").await;
    ada.press(&["Tab"]).await;
    bruno.holds("[aria-label='Fetch ice and salt']", "Fetch ice and salt").await;
    bruno.see(".item.done [aria-label='Fetch ice and salt']", "").await;
    // Leaving the field has written it, and the keyboard is at what follows.
    ada.go_to("Tab", "Delete Fetch ice and salt").await;
    ada.press(&["Enter"]).await;
    bruno.gone("[aria-label='Fetch ice and salt']", "").await;
    ada.go_to("Tab", "The new name").await;
    ada.press(&["Control+A"]).await;
    ada.text("By keyboard").await;
    ada.press(&["Enter"]).await;
    bruno.holds(FIRST_NAME, "By keyboard").await;
    table.clear().await;
}

#[tokio::test]
async fn axe_finds_no_serious_fault_on_a_desk() {
    audit(1280).await;
}

#[tokio::test]
async fn axe_finds_no_serious_fault_on_a_phone() {
    audit(375).await;
}

/// In light and in dark, at each of its faces; and nothing is wider than the screen.
async fn audit(width: u32) {
    let table = Table::lay().await;
    let bruno = table.seat("Bruno").await;
    let ada = table.screen.beside("Ada");
    let clean = (json!([]), u64::from(width));
    for (dark, name) in [(false, "light"), (true, "dark")] {
        let shot = |what: &str| format!("demo-{what}-{width}-{name}.png");
        ada.open(&table.url_of("Ada"), dark, width).await;
        ada.see(".pill", "Live").await;
        bruno.point("[aria-label='Hang up the lanterns']").await;
        bruno.fill("[aria-label='Fetch ice']", "Fetch ice from the kiosk").await;
        ada.see(".typing", "Bruno is typing").await;
        ada.click("button", "Run it").await;
        ada.see(".sql output", "UPDATE 1").await;
        ada.see(".entry", "psql").await;
        assert_eq!(ada.audit().await, clean, "at work, dark: {dark}");
        ada.shot(&shot("work")).await;

        ada.click("button", "Go offline").await;
        ada.fill(FIRST_NAME, &format!("Mine in {name}")).await;
        ada.press(&["Enter"]).await;
        ada.see(".notice", "waits here").await;
        assert_eq!(ada.audit().await, clean, "offline, dark: {dark}");
        ada.shot(&shot("offline")).await;
        bruno.press(&["Escape"]).await;
        write(&bruno, FIRST_NAME, &format!("Theirs in {name}")).await;
        bruno.see(".entry", &format!("Theirs in {name} · name")).await;
        ada.click("button", "Go online").await;
        ada.see("dialog", "Two of you changed this").await;
        assert_eq!(ada.audit().await, clean, "a conflict, dark: {dark}");
        ada.shot(&shot("conflict")).await;
        ada.click("button", "Keep mine").await;
        ada.see(".notice", "1 event caught up").await;
        assert_eq!(ada.audit().await, clean, "back, dark: {dark}");
        ada.shot(&shot("back")).await;
    }
    table.clear().await;
}

//! What people see of each other.

use super::{FIRST, FIRST_NAME, SECOND, SECOND_NAME, Table, write};

#[tokio::test]
async fn what_one_does_the_other_sees_at_once() {
    let table = Table::lay().await;
    let ada = table.seat("Ada").await;
    ada.see(".notice", "You are alone here").await;
    ada.click("link", "Another person").await;
    ada.see(".faces li:not(.me)", "").await;
    ada.gone(".notice", "alone").await;
    let bruno = table.seat("Bruno").await;

    bruno.point(&format!("{SECOND} h3")).await;
    ada.see(".cursor", "Bruno").await;
    ada.see(&format!("{SECOND} .watchers"), "B").await;
    bruno.fill(FIRST_NAME, "Sunday in the park").await;
    ada.see(&format!("{FIRST} .typing"), "Bruno is typing").await;
    ada.see(&format!("{FIRST} .name .flag"), "Bruno").await;
    assert_eq!(ada.reads(FIRST_NAME).await, "Saturday in the park", "what is typed is nobody's business yet");
    bruno.press(&["Enter"]).await;
    ada.holds(FIRST_NAME, "Sunday in the park").await;
    let told = ada.see(".entry", "Sunday in the park").await;
    assert!(
        told.contains("updated") && told.contains("name") && told.contains("Bruno") && told.contains('/'),
        "{told}"
    );
    bruno.see(".entry", "acknowledged").await;

    // Who gives up has changed nothing.
    bruno.fill(FIRST_NAME, "Monday").await;
    bruno.press(&["Escape"]).await;
    bruno.holds(FIRST_NAME, "Sunday in the park").await;
    write(&ada, &format!("{FIRST} .prose textarea"), "Bring a friend").await;
    bruno.holds(&format!("{FIRST} .prose textarea"), "Bring a friend").await;
    assert_eq!(bruno.reads(FIRST_NAME).await, "Sunday in the park");
    table.clear().await;
}

#[tokio::test]
async fn nested_components_and_whole_ones_come_change_and_go() {
    let table = Table::lay().await;
    let (ada, bruno) = (table.seat("Ada").await, table.seat("Bruno").await);
    write(&ada, "[aria-label='Add to Before']", "Count the cups").await;
    bruno.holds("[aria-label='Count the cups']", "Count the cups").await;
    ada.see(".entry", "nested-created").await;
    write(&bruno, "[aria-label='Count the cups']", "Count all cups").await;
    ada.holds("[aria-label='Count all cups']", "Count all cups").await;
    ada.click("checkbox", "Done: Count all cups").await;
    bruno.see(".done [aria-label='Done: Count all cups']:checked", "").await;
    bruno.see(".entry", "nested-updated").await;
    bruno.click("button", "Delete Count all cups").await;
    ada.gone("[aria-label='Count all cups']", "").await;
    ada.see(".entry", "nested-deleted").await;

    ada.click("button", "Add a list").await;
    bruno.holds(".name textarea", "A new list").await;
    bruno.click("button", "Delete A new list").await;
    bruno.click("button", "Really delete?").await;
    ada.gone("[aria-label='Delete A new list']", "").await;
    ada.see(".entry", "deleted").await;
    table.clear().await;
}

#[tokio::test]
async fn of_three_people_one_whose_tab_is_killed_is_gone_at_once() {
    let table = Table::lay().await;
    let (ada, bruno, chidi) = (table.seat("Ada").await, table.seat("Bruno").await, table.seat("Chidi").await);
    for screen in [&ada, &bruno] {
        screen.see(".faces [aria-label='Chidi is here']", "C").await;
    }
    chidi.point(&format!("{SECOND} h3")).await;
    ada.see(".cursor", "Chidi").await;
    chidi.kill().await;
    for screen in [&ada, &bruno] {
        screen.gone(".faces [aria-label='Chidi is here']", "C").await;
        screen.gone(".cursor", "Chidi").await;
    }
    bruno.see(".faces [aria-label='Ada is here']", "A").await;
    table.clear().await;
}

#[tokio::test]
async fn plain_sql_is_seen_by_everybody_who_runs_it_too() {
    let table = Table::lay().await;
    let (ada, bruno) = (table.seat("Ada").await, table.seat("Bruno").await);
    ada.fill(".statement input", "It's the database").await;
    ada.click("button", "Run it").await;
    for screen in [&ada, &bruno] {
        screen.holds(FIRST_NAME, "It's the database").await;
        screen.see(".entry", "psql").await;
    }
    ada.see(".sql output", "UPDATE 1").await;
    ada.see(".sql pre", "SET name = 'It''s the database', updated_by = 'psql'").await;
    ada.click("button", "Every row").await;
    ada.click("button", "Run it").await;
    ada.see(".sql output", "UPDATE 3").await;
    for screen in [&ada, &bruno] {
        screen.see(&format!(".tone-rose{FIRST}"), "").await;
        screen.see(&format!(".tone-rose{SECOND}"), "").await;
    }
    assert_eq!(bruno.reads(SECOND_NAME).await, "Things to do");
    table.clear().await;
}

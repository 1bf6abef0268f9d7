//! The demo of `walcast dev`: who is given it, and what several people see of each other in a real Chromium.

mod away;
mod door;
mod looks;
mod people;

use crate::support::{Development, Screen};

/// The component of the page that comes first, the one after it, and fields of them.
const FIRST: &str = "[data-component$='0001']";
const FIRST_NAME: &str = "[data-component$='0001'] .name textarea";
const SECOND: &str = "[data-component$='0002']";
const SECOND_NAME: &str = "[data-component$='0002'] .name textarea";

/// A page, and a browser to look at it with.
struct Table {
    dev: Development,
    screen: Screen,
}

impl Table {
    async fn lay() -> Table {
        Table { dev: Development::start("127.0.0.1:0").await, screen: Screen::start() }
    }

    fn url_of(&self, name: &str) -> String {
        format!("{}/?as={name}", self.dev.url())
    }

    /// Somebody who has the page open, and is connected.
    async fn seat(&self, name: &str) -> Screen {
        let screen = self.screen.beside(name);
        screen.open(&self.url_of(name), false, 1280).await;
        screen.see(".pill", "Live").await;
        screen.holds(FIRST_NAME, "Saturday in the park").await;
        screen
    }

    async fn clear(self) {
        self.screen.close().await;
        self.dev.end().await;
    }
}

/// Types a text into a field in place of what was there, and is done with it.
async fn write(screen: &Screen, css: &str, text: &str) {
    screen.fill(css, text).await;
    screen.press(&["Enter"]).await;
}

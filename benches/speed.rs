//! `cargo bench [-- SCENE]`: how long each scene takes, and what it allocates.

mod scenes;

use std::{cell::RefCell, fmt};

use divan::{AllocProfiler, Bencher};
use scenes::{Named, SCENES};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[divan::bench(args = SCENES)]
fn scene(bencher: Bencher<'_, '_>, named: &Named) {
    let scene = RefCell::new((named.stage)());
    bencher.with_inputs(|| scene.borrow_mut().prepare()).bench_local_values(|()| scene.borrow_mut().run());
}

fn main() {
    divan::main();
}

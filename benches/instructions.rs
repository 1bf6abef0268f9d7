//! What scripts/instructions.sh runs under callgrind: `instructions SCENE` runs one, and says how often; without a scene
//! it names all.

mod scenes;

use scenes::{SCENES, Scene};

/// Callgrind counts within this function, which it finds by its name.
#[inline(never)]
fn measured(scene: &mut dyn Scene, times: usize) {
    for _ in 0..times {
        scene.run();
    }
}

/// How often a scene is run. The dispatcher's hash tables have random keys: what they take evens out over many runs only.
fn times(scene: &str) -> usize {
    match scene {
        "dispatch/10000-rooms" => 2_000,
        "dispatch/5000-seats" => 100,
        scene if scene.starts_with("dispatch") => 1_000,
        _ => 20,
    }
}

fn main() {
    let Some(name) = std::env::args().nth(1) else {
        return SCENES.iter().for_each(|scene| println!("{}", scene.name));
    };
    let found = SCENES.iter().find(|scene| scene.name == name);
    let named = found.unwrap_or_else(|| panic!("there is no scene {name}: without an argument I name all"));
    let (mut scene, times) = ((named.stage)(), times(&name));
    // Until buffers, tables and the history are as they stay.
    for _ in 0..times {
        scene.prepare();
        scene.run();
    }
    (0..times).for_each(|_| scene.prepare());
    measured(scene.as_mut(), times);
    println!("{times}");
}

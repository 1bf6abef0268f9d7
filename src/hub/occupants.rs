use std::{
    iter::{Chain, Flatten},
    option,
};

use super::{SocketId, command::Sockets};

/// The sockets of a room that somebody is in, each once. Most rooms are a user's own, and have one.
pub enum Occupants {
    One(SocketId),
    Many(Box<Sockets>),
}

impl Occupants {
    pub fn insert(&mut self, socket: SocketId) {
        match self {
            Occupants::One(one) if *one == socket => {}
            Occupants::One(one) => *self = Occupants::Many(Box::new(Sockets::from_iter([*one, socket]))),
            Occupants::Many(many) => {
                many.insert(socket);
            }
        }
    }

    /// Whether somebody else is left; if not, all is as it was.
    pub fn remove(&mut self, socket: SocketId) -> bool {
        match self {
            Occupants::One(one) => *one != socket,
            Occupants::Many(many) if many.len() > 1 => {
                many.swap_remove(&socket);
                true
            }
            Occupants::Many(many) => !many.contains(&socket),
        }
    }

    pub fn contains(&self, socket: SocketId) -> bool {
        match self {
            Occupants::One(one) => *one == socket,
            Occupants::Many(many) => many.contains(&socket),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Occupants::One(_) => 1,
            Occupants::Many(many) => many.len(),
        }
    }
}

impl<'a> IntoIterator for &'a Occupants {
    type Item = &'a SocketId;
    type IntoIter = Chain<option::IntoIter<&'a SocketId>, Flatten<option::IntoIter<&'a Sockets>>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            Occupants::One(one) => (Some(one), None),
            Occupants::Many(many) => (None, Some(&**many)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(occupants: &Occupants) -> Vec<u64> {
        occupants.into_iter().map(|socket| socket.0).collect()
    }

    #[test]
    fn each_is_there_once_until_it_goes() {
        let mut occupants = Occupants::One(SocketId(1));
        for socket in [1, 2, 3, 2] {
            occupants.insert(SocketId(socket));
        }
        assert_eq!((all(&occupants), occupants.len()), (vec![1, 2, 3], 3));
        assert!(occupants.remove(SocketId(4)) && occupants.remove(SocketId(1)) && occupants.remove(SocketId(3)));
        assert_eq!((all(&occupants), occupants.len()), (vec![2], 1));
        assert!(occupants.remove(SocketId(1)), "it is gone already");
        assert!(!occupants.remove(SocketId(2)), "it was the last");
    }

    #[test]
    fn the_only_one_is_the_last() {
        let mut occupants = Occupants::One(SocketId(1));
        assert!(occupants.remove(SocketId(2)));
        assert_eq!((all(&occupants), occupants.len()), (vec![1], 1));
        assert!(!occupants.remove(SocketId(1)));
    }
}

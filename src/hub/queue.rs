use std::collections::VecDeque;

/// A long queue in blocks. One piece would have to be moved as it grows, which takes as long as it is large, and where it was it
/// leaves a hole of its size in the heap.
pub struct Queue<T> {
    /// None is empty. All have [`BLOCK`] entries, but for the first, of which some may be gone, and the last.
    blocks: VecDeque<VecDeque<T>>,
}

const BLOCK: usize = 512;

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue { blocks: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    pub fn push_back(&mut self, entry: T) {
        match self.blocks.back_mut().filter(|last| last.len() < BLOCK) {
            Some(last) => last.push_back(entry),
            None => self.blocks.push_back(VecDeque::from([entry])),
        }
    }

    pub fn pop_front(&mut self) -> Option<T> {
        let first = self.blocks.front_mut()?;
        let entry = first.pop_front();
        if first.is_empty() {
            self.blocks.pop_front();
        }
        entry
    }

    pub fn front(&self) -> Option<&T> {
        self.blocks.front()?.front()
    }

    pub fn get(&self, index: usize) -> Option<&T> {
        let (block, place) = self.place(index)?;
        self.blocks.get(block)?.get(place)
    }

    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let (block, place) = self.place(index)?;
        self.blocks.get_mut(block)?.get_mut(place)
    }

    pub fn len(&self) -> usize {
        match (self.blocks.front(), self.blocks.back()) {
            (Some(first), Some(last)) if self.blocks.len() > 1 => {
                first.len() + (self.blocks.len() - 2) * BLOCK + last.len()
            }
            (first, _) => first.map_or(0, VecDeque::len),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// How many entries it has memory for.
    pub fn capacity(&self) -> usize {
        self.blocks.back().map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.capacity())
    }

    fn place(&self, index: usize) -> Option<(usize, usize)> {
        let first = self.blocks.front()?.len();
        Some(match index.checked_sub(first) {
            Some(behind) => (1 + behind / BLOCK, behind % BLOCK),
            None => (0, index),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both as long as each other, and with the same entries.
    fn agree(queue: &mut Queue<usize>, model: &VecDeque<usize>) {
        assert_eq!((queue.len(), queue.is_empty()), (model.len(), model.is_empty()));
        assert_eq!(queue.front(), model.front());
        for index in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, model.len().saturating_sub(1), model.len()] {
            assert_eq!(queue.get(index), model.get(index), "{index} of {}", model.len());
            assert_eq!(queue.get_mut(index).copied(), model.get(index).copied());
        }
        assert!(queue.capacity() >= queue.len());
    }

    #[test]
    fn it_is_a_queue_however_long_it_is() {
        let (mut queue, mut model) = (Queue::default(), VecDeque::new());
        // It grows over several blocks, wanders through as many at each length, and empties.
        for (pushes, pops) in [(1, 1), (3, 1), (BLOCK, 10), (10, 10), (3 * BLOCK, BLOCK), (BLOCK, 4 * BLOCK), (2, 9)] {
            for number in 0..pushes {
                queue.push_back(number);
                model.push_back(number);
                agree(&mut queue, &model);
            }
            for _ in 0..pops {
                assert_eq!(queue.pop_front(), model.pop_front());
                agree(&mut queue, &model);
            }
        }
        assert_eq!(queue.capacity(), 0, "what is empty keeps nothing");
    }

    #[test]
    fn one_that_stays_short_stays_small() {
        let mut queue = Queue::default();
        for number in 0..10 * BLOCK {
            queue.push_back(number);
            if number > 10 {
                queue.pop_front();
            }
        }
        assert!(queue.capacity() < BLOCK / 8, "{}", queue.capacity());
    }
}

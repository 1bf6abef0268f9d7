use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Violation;

/// What a flush ends with. A message leaves it out, and its reader puts it back (RFC 7692, section 7.2).
const FLUSH: [u8; 4] = [0, 0, 0xFF, 0xFF];
/// The same, and a last block that is empty: it ends what ended where a block ends.
const FLUSH_AND_END: [u8; 9] = [0, 0, 0xFF, 0xFF, 1, 0, 0, 0xFF, 0xFF];

/// The most that a stored block holds, in bytes.
const STORED_BLOCK: usize = 0xFFFF;
/// The smallest room that a message is inflated into, in bytes.
const SMALLEST_ROOM: usize = 256;

/// The default. It takes 34 µs for 10 kB of JSON, once for all who are sent it; 2 would take 21 and leave 2 to 16 % more, which
/// each of them is sent; 9 leaves no less.
const LEVEL: u32 = 6;

thread_local! {
    // Kept for their memory, 380 kB and 48 kB: too much to ask for anew with every message.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(LEVEL), false));
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// Compresses one message for a frame with RSV1 set. It refers to nothing before it, so all sockets can be sent the same.
pub fn deflate(payload: &[u8]) -> Vec<u8> {
    COMPRESS
        .with_borrow_mut(|compress| {
            compress.reset();
            deflate_with(compress, payload)
        })
        .unwrap_or_else(|| stored(payload))
}

/// `None` where the compressor breaks its promises, which it has no reason to.
fn deflate_with(compress: &mut Compress, payload: &[u8]) -> Option<Vec<u8>> {
    // What cannot be compressed grows by a few bytes a block.
    let mut deflated = Vec::with_capacity(payload.len() + payload.len() / 512 + 64);
    let mut rest = payload;
    loop {
        let before = compress.total_in();
        compress.compress_vec(rest, &mut deflated, FlushCompress::Sync).ok()?;
        rest = rest.get(usize::try_from(compress.total_in() - before).ok()?..)?;
        // A flush is complete when it left room.
        if deflated.len() < deflated.capacity() {
            break;
        }
        deflated.reserve(deflated.len());
    }
    let complete = rest.is_empty() && deflated.ends_with(&FLUSH);
    deflated.truncate(deflated.len().saturating_sub(FLUSH.len()));
    complete.then_some(deflated)
}

/// The payload in blocks that are not compressed, and the first byte of the flush behind them.
fn stored(payload: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(payload.len() + 64);
    for block in payload.chunks(STORED_BLOCK) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX).to_le_bytes();
        deflated.push(0);
        deflated.extend(length);
        deflated.extend(length.map(|byte| !byte));
        deflated.extend_from_slice(block);
    }
    deflated.push(0);
    deflated
}

/// The message that the payload of its frames, put together, is when inflated.
///
/// It takes no more memory than `limit`, in bytes, and what the allocator adds, however much would come out.
pub fn inflate(payload: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
    DECOMPRESS.with_borrow_mut(|decompress| {
        decompress.reset(false);
        inflate_with(decompress, payload, limit)
    })
}

fn inflate_with(decompress: &mut Decompress, payload: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
    const BROKEN: Violation = Violation::Protocol("a compressed message that cannot be inflated");
    const CUT_SHORT: Violation = Violation::Protocol("a compressed message that ends within a block");
    // One more byte than is allowed shows that there is more.
    let room = limit.saturating_add(1);
    let mut message = Vec::with_capacity(payload.len().saturating_mul(4).max(SMALLEST_ROOM).min(room));
    let mut rest = payload;
    // What the message had when its payload was read, and the flush and the end were put behind it.
    let mut complete = None;
    loop {
        let before = decompress.total_in();
        let status = decompress.decompress_vec(rest, &mut message, FlushDecompress::Sync).map_err(|_| BROKEN)?;
        let taken = usize::try_from(decompress.total_in() - before).map_err(|_| BROKEN)?;
        rest = rest.get(taken..).ok_or(BROKEN)?;
        if message.len() > limit {
            return Err(Violation::TooBig { limit });
        }
        if status == Status::StreamEnd {
            break;
        }
        if message.len() == message.capacity() {
            message.reserve_exact(message.len().clamp(1, room - message.len()));
        } else if !rest.is_empty() {
            // Neither end is in the way, and yet it stopped.
            return Err(BROKEN);
        } else if complete.is_none() {
            (rest, complete) = (&FLUSH_AND_END, Some(message.len()));
        } else {
            return Err(CUT_SHORT);
        }
    }
    match (complete, rest) {
        (Some(length), []) if length == message.len() => Ok(message),
        // Within a block the flush and the end are data, and may by chance be read to their end.
        (Some(_), _) => Err(CUT_SHORT),
        // Who flushes by ending the stream adds the first byte of the flush that is put back (section 7.2.3.4).
        (None, [] | [0]) => Ok(message),
        (None, _) => Err(Violation::Protocol("a compressed message that goes on behind its end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_not_inflated_beyond_the_limit() {
        let bomb = deflate(&vec![0; 4 << 20]);
        let (mut decompress, limit) = (Decompress::new(false), 100_000);
        assert_eq!(inflate_with(&mut decompress, &bomb, limit), Err(Violation::TooBig { limit }));
        assert!(decompress.total_out() <= 100_008, "{} bytes came out", decompress.total_out());
    }

    #[test]
    fn what_is_stored_is_read_like_what_is_compressed() {
        for length in [0, 1, STORED_BLOCK, STORED_BLOCK + 1, 3 * STORED_BLOCK] {
            let payload: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
            assert_eq!(inflate(&stored(&payload), length), Ok(payload));
        }
    }
}

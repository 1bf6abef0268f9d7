use std::{convert::Infallible, sync::Arc};

use serde_json::{Map, Value};
use socketioxide::{adapter::LocalAdapter, handler::FromMessageParts, socket::Socket};
use socketioxide_core::Value as Packet;

use super::{
    limits::is_within,
    reply::{Code, Failure},
};

/// An event that a socket sent, as it came.
pub struct Inbound {
    packet: Packet,
    /// By which the client knows the answer; `None`: it does not wait for one.
    pub ack: Option<i64>,
}

/// An event that can be looked at: its name and its first argument.
pub struct Message {
    pub event: String,
    pub payload: Map<String, Value>,
}

impl Inbound {
    /// The name of the event, without a look at the rest; empty where there is none.
    pub fn name(&self) -> String {
        let text = match &self.packet {
            Packet::Str(text, _) => text.as_str(),
            Packet::Bytes(_) => "",
        };
        serde_json::from_str::<EventName>(text).map_or_else(|_| String::new(), |EventName(name)| name)
    }

    /// Reads the event, or says why it cannot be carried out. The name stands beside the failure where it could be read.
    pub fn read(&self, max_payload: usize, max_depth: usize) -> Result<Message, (String, Failure)> {
        let (text, binary) = match &self.packet {
            Packet::Str(text, binary) => (text.as_str(), binary.as_ref().is_some_and(|binary| !binary.is_empty())),
            Packet::Bytes(_) => ("", true),
        };
        let invalid = |event: String, message: String| (event, Failure::new(Code::InvalidPayload, message));
        if text.len() > max_payload {
            let message = format!("the message has {} bytes, the limit is {max_payload}", text.len());
            return Err((self.name(), Failure::new(Code::PayloadTooLarge, message)));
        }
        if binary {
            return Err(invalid(self.name(), "binary attachments are not accepted: send JSON".into()));
        }
        let mut arguments = match serde_json::from_str::<Vec<Value>>(text) {
            Ok(arguments) => arguments.into_iter(),
            Err(error) => return Err(invalid(self.name(), format!("the message is not JSON: {error}"))),
        };
        let Some(Value::String(event)) = arguments.next() else {
            return Err(invalid(String::new(), "an event begins with its name".into()));
        };
        match arguments.next() {
            Some(payload @ Value::Object(_)) if !is_within(&payload, max_depth) => {
                let (event, failure) =
                    invalid(event, format!("the payload nests deeper than {max_depth}, which is the limit"));
                Err((event, failure.counted_as("too_deep")))
            }
            Some(Value::Object(payload)) => Ok(Message { event, payload }),
            other => {
                let found = other.as_ref().map_or("nothing", kind);
                let message = format!("`{event}` takes an object, but got {found}");
                Err(invalid(event, message))
            }
        }
    }
}

/// What a JSON value is, in a sentence.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Reads the first element of an array and skips the rest.
struct EventName(String);

impl<'de> serde::Deserialize<'de> for EventName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First;
        impl<'de> serde::de::Visitor<'de> for First {
            type Value = EventName;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array that begins with an event's name")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut elements: A) -> Result<EventName, A::Error> {
                let name = elements.next_element()?.unwrap_or_default();
                while elements.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                Ok(EventName(name))
            }
        }
        deserializer.deserialize_seq(First)
    }
}

impl FromMessageParts<LocalAdapter> for Inbound {
    type Error = Infallible;

    fn from_message_parts(
        _: &Arc<Socket<LocalAdapter>>,
        packet: &mut Packet,
        ack: &Option<i64>,
    ) -> Result<Self, Infallible> {
        Ok(Inbound { packet: packet.clone(), ack: *ack })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Result<Message, (String, Failure)> {
        Inbound { packet: Packet::Str(text.into(), None), ack: None }.read(64, 2)
    }

    #[test]
    fn an_event_is_a_name_and_an_object() {
        let message =
            read(r#"["component:subscribe",{"componentId":"x"},"more"]"#).unwrap_or_else(|_| panic!("an event"));
        assert_eq!(message.event, "component:subscribe");
        assert_eq!(message.payload["componentId"], "x");
    }

    #[test]
    fn a_payload_that_nests_too_deep_is_refused() {
        let (name, failure) = read(r#"["e",{"a":[1]}]"#).err().expect("refused");
        assert_eq!((name.as_str(), failure.code), ("e", Code::InvalidPayload));
    }

    #[test]
    fn what_is_no_event_is_refused_under_its_name() {
        for (text, event) in [
            (r#"["e"]"#, "e"),
            (r#"["e",null]"#, "e"),
            (r#"["e",[1]]"#, "e"),
            (r#"["e","text"]"#, "e"),
            (r#"[1,{}]"#, ""),
            (r#"[]"#, ""),
            (r#"["e",{]"#, ""),
            ("", ""),
        ] {
            let (name, failure) = read(text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert_eq!(name, event, "{text}");
            assert_eq!(failure.code, Code::InvalidPayload);
        }
    }

    #[test]
    fn a_large_message_is_refused_by_its_size() {
        let (name, failure) =
            read(r#"["e",{"text":"0123456789012345678901234567890123456789012345678901234567890123456789"}]"#)
                .err()
                .expect("refused");
        assert_eq!((name.as_str(), failure.code), ("e", Code::PayloadTooLarge));
    }

    #[test]
    fn binary_is_refused_politely() {
        let packet =
            Packet::Str(r#"["e",{"_placeholder":true,"num":0}]"#.into(), Some([bytes::Bytes::from("x")].into()));
        let (name, failure) = Inbound { packet, ack: None }.read(64, 2).err().expect("refused");
        assert_eq!((name.as_str(), failure.code), ("e", Code::InvalidPayload));
    }
}

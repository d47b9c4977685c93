//! str0m as a listener: `whep-str0m WHEP_URL SECONDS`. Prints one line of JSON.
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use str0m::change::SdpAnswer;
use str0m::crypto::from_feature_flags;
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, RtcConfig};

type Failure = Box<dyn std::error::Error>;

/// One HTTP request on a connection of its own: status, header lines, body.
fn http(host: &str, method: &str, path: &str, body: &str) -> Result<(u16, String, String), Failure> {
    let mut stream = TcpStream::connect(host)?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: str0m/0.25\r\nConnection: close\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("no end of the header")?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok((status, head.to_string(), body.to_string()))
}

fn main() -> Result<(), Failure> {
    from_feature_flags().install_process_default();
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("which WHEP endpoint?")?;
    let seconds: u64 = arguments.next().ok_or("for how many seconds?")?.parse()?;
    let (host, path) = url.strip_prefix("http://").ok_or("only http://")?.split_once('/').ok_or("no path")?;
    let path = format!("/{path}");

    let begin = Instant::now();
    let mut rtc = RtcConfig::new().clear_codecs().enable_opus(true, false).build(begin);
    // The interface that leads to the server.
    let probe = UdpSocket::bind("0.0.0.0:0")?;
    probe.connect(host)?;
    let socket = UdpSocket::bind((probe.local_addr()?.ip(), 0))?;
    let local = socket.local_addr()?;
    rtc.add_local_candidate(Candidate::host(local, "udp")?);
    let mut change = rtc.sdp_api();
    change.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
    let (offer, pending) = change.apply().ok_or("nothing to offer")?;
    let (status, head, answer) = http(host, "POST", &path, &offer.to_sdp_string())?;
    if status != 201 {
        return Err(format!("{status}: {answer}").into());
    }
    let location = head
        .lines()
        .find_map(|line| line.to_lowercase().starts_with("location:").then(|| line[9..].trim().to_string()))
        .ok_or("no Location")?;
    let session = if location.starts_with('/') {
        location
    } else {
        format!("{}/{location}", path.rsplit_once('/').ok_or("no folder")?.0)
    };
    rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer)?)?;

    let (mut packets, mut connected_ms, mut tocs, mut state) = (0u64, None, BTreeSet::new(), String::new());
    let (mut deleted, mut end) = (0u16, begin + Duration::from_secs(seconds));
    let mut buffer = vec![0; 2000];
    while rtc.is_alive() {
        match rtc.poll_output()? {
            Output::Transmit(sent) => {
                socket.send_to(&sent.contents, sent.destination)?;
            }
            Output::Event(Event::IceConnectionStateChange(new)) => {
                state = format!("{new:?}");
                if new == IceConnectionState::Connected {
                    connected_ms.get_or_insert(begin.elapsed().as_millis());
                }
                if new == IceConnectionState::Disconnected {
                    break;
                }
            }
            Output::Event(Event::MediaData(media)) => {
                packets += 1;
                // The bit of a packet's first byte that says whether it is stereo (RFC 6716, section 3.1).
                tocs.insert(media.data[0] >> 2 & 1);
            }
            Output::Event(_) => {}
            Output::Timeout(when) => {
                let now = Instant::now();
                if now >= end && deleted == 0 {
                    deleted = http(host, "DELETE", &session, "")?.0;
                    end = now + Duration::from_secs(5);
                } else if now >= end {
                    break;
                }
                let wait = when.saturating_duration_since(now).min(Duration::from_millis(100));
                let input = if wait.is_zero() {
                    Input::Timeout(now)
                } else {
                    socket.set_read_timeout(Some(wait))?;
                    match socket.recv_from(&mut buffer) {
                        Ok((size, source)) => Input::Receive(
                            Instant::now(),
                            Receive {
                                proto: Protocol::Udp,
                                source,
                                destination: local,
                                contents: buffer[..size].try_into()?,
                            },
                        ),
                        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                            Input::Timeout(Instant::now())
                        }
                        Err(error) => return Err(error.into()),
                    }
                };
                rtc.handle_input(input)?;
            }
        }
    }
    let after_ms = if deleted == 0 { -1 } else { 5000 - end.saturating_duration_since(Instant::now()).as_millis() as i64 };
    let tocs: Vec<u8> = tocs.into_iter().collect();
    println!(
        "{{\"status\":{status},\"packets\":{packets},\"connected_ms\":{},\"stereo_bits\":{tocs:?},\"left\":{deleted},\
         \"alive\":{},\"noticed_after_ms\":{after_ms},\"state\":\"{state}\"}}",
        connected_ms.map_or("null".into(), |ms| ms.to_string()),
        rtc.is_alive(),
    );
    Ok(())
}

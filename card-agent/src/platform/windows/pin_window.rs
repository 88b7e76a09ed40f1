//! The PIN window: a label, a field that shows no letters, two buttons. Enter goes on, Esc does not.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::oneshot;
use winsafe::gui::{self, Button, Edit, Label, WindowMain};
use winsafe::prelude::*;
use winsafe::{co, msg};
use zeroize::Zeroizing;

use crate::pin::window::Window;
use crate::pin::words::{Confirmation, Words};
use crate::pin::{PinEntry, PinError};

/// No PIN or password of a card is longer.
const MOST_LETTERS: usize = 64;
/// How often a window looks whether it is still wanted, in milliseconds.
const LOOK_MS: u32 = 100;
const LOOK: usize = 1;

/// Sizes at 96 dots an inch; the library scales them.
const WIDTH: i32 = 460;
const MARGIN: i32 = 16;
const LINE: i32 = 20;
const FIELD: i32 = 24;
const BUTTON: (i32, i32) = (110, 28);
/// What a line holds, in letters of half width, at the system's usual font.
const LETTERS_A_LINE: usize = 64;

/// Our own.
pub fn pin_window() -> Option<Arc<dyn PinEntry>> {
    Some(Arc::new(PinWindow))
}

struct PinWindow;

#[async_trait]
impl Window for PinWindow {
    async fn question(&self, question: &Confirmation<'_>) -> Result<(), PinError> {
        let Confirmation { title, text, ok, cancel } = *question;
        let page = Page { title, text: text.to_owned(), field: None, ok: Some(ok), cancel };
        show(page).await.map(drop)
    }

    async fn field(&self, words: &Words) -> Result<SecretString, PinError> {
        let Words { title, description, label, ok, cancel, .. } = words;
        let page =
            Page { title, text: description.clone(), field: Some(label), ok: Some(ok), cancel };
        show(page).await.map(|pin| SecretString::from(pin.as_str()))
    }

    async fn notice(&self, words: &Words) -> Result<(), PinError> {
        let Words { title, description, cancel, .. } = words;
        let page = Page { title, text: description.clone(), field: None, ok: None, cancel };
        match show(page).await {
            Err(PinError::Cancelled) => Ok(()),
            shown => shown.map(drop),
        }
    }
}

/// What a window shows.
struct Page {
    title: &'static str,
    text: String,
    /// Before the field, where there is one.
    field: Option<&'static str>,
    /// On the button that goes on, where the person can.
    ok: Option<&'static str>,
    cancel: &'static str,
}

/// Closes a window that nobody waits for any more.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Shows the page on a thread of its own, for windows block the one that they live on.
async fn show(page: Page) -> Result<Zeroizing<String>, PinError> {
    let unavailable = |why: String| PinError::Unavailable(format!("no window can be shown: {why}"));
    let is_wanted = Arc::new(AtomicBool::new(true));
    let _wanted = Wanted(is_wanted.clone());
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new()
        .name("PIN window".to_owned())
        .spawn(move || {
            let shown = run(&page, is_wanted).map_err(|error| unavailable(error.to_string()));
            let _ = answer.send(shown);
        })
        .map_err(|error| unavailable(error.to_string()))?;
    match answered.await {
        Ok(shown) => shown?.ok_or(PinError::Cancelled),
        // The library panics where the system makes no window: there is no desktop.
        Err(_) => Err(unavailable("this session has no desktop".to_owned())),
    }
}

/// What was entered, empty where nothing was asked for; `None` where the person said no.
fn run(page: &Page, is_wanted: Arc<AtomicBool>) -> winsafe::AnyResult<Option<Zeroizing<String>>> {
    // The library keeps font and scale for the whole program, unguarded: one window at a time.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);

    let text_height = LINE * lines(&page.text);
    let below_text = MARGIN + text_height + MARGIN / 2;
    let below_field = below_text + if page.field.is_some() { FIELD + MARGIN } else { 0 };
    let window = WindowMain::new(gui::WindowMainOpts {
        title: page.title,
        size: gui::dpi(WIDTH, below_field + BUTTON.1 + MARGIN),
        style: co::WS::CAPTION | co::WS::SYSMENU | co::WS::CLIPCHILDREN | co::WS::VISIBLE,
        // The browser that asked lies in front of whatever a background program shows.
        ex_style: co::WS_EX::TOPMOST | co::WS_EX::DLGMODALFRAME,
        ..Default::default()
    });
    let label = |text: &str, position: (i32, i32), size: (i32, i32)| {
        Label::new(
            &window,
            gui::LabelOpts {
                text,
                position: gui::dpi(position.0, position.1),
                size: gui::dpi(size.0, size.1),
                // A facility's name may hold `&`, which is no access key.
                control_style: co::SS::LEFT | co::SS::NOPREFIX,
                ..Default::default()
            },
        )
    };
    label(&page.text, (MARGIN, MARGIN), (WIDTH - 2 * MARGIN, text_height));
    let field = page.field.map(|name| {
        label(name, (MARGIN, below_text + 3), (90, LINE));
        Edit::new(
            &window,
            gui::EditOpts {
                position: gui::dpi(MARGIN + 96, below_text),
                width: gui::dpi_x(WIDTH - 2 * MARGIN - 96),
                height: gui::dpi_y(FIELD),
                control_style: co::ES::PASSWORD | co::ES::AUTOHSCROLL,
                ..Default::default()
            },
        )
    });
    let button = |text: &str, place: i32, id: co::DLGID, style: co::BS| {
        Button::new(
            &window,
            gui::ButtonOpts {
                text,
                position: gui::dpi(WIDTH - MARGIN - place * (BUTTON.0 + 8) + 8, below_field),
                width: gui::dpi_x(BUTTON.0),
                height: gui::dpi_y(BUTTON.1),
                control_style: style,
                // Enter and Esc are sent as these (dialog box keyboard interface).
                ctrl_id: id.raw(),
                ..Default::default()
            },
        )
    };
    // Enter means OK wherever it is pressed: right in a field, not where one of the last tries is risked.
    // There the answer has another name, and the one that has the focus is no.
    let go_on = if field.is_some() { co::DLGID::OK } else { co::DLGID::YES };
    let cancel = button(page.cancel, 1, co::DLGID::CANCEL, co::BS::PUSHBUTTON);
    let ok = page.ok.map(|text| button(text, 2, go_on, co::BS::PUSHBUTTON));

    let entered = Rc::new(RefCell::new(None));
    window.on().wm_create({
        let (window, field, cancel) = (window.clone(), field.clone(), cancel.clone());
        move |_| {
            match &field {
                Some(field) => {
                    field.limit_text(u32::try_from(MOST_LETTERS).ok());
                    field.hwnd().SetFocus();
                }
                None => {
                    cancel.hwnd().SetFocus();
                }
            }
            window.hwnd().SetTimer(LOOK, LOOK_MS, None)?;
            window.hwnd().SetForegroundWindow();
            Ok(0)
        }
    });
    window.on().wm_timer(LOOK, {
        let window = window.clone();
        move || {
            if !is_wanted.load(Ordering::Relaxed) {
                window.hwnd().DestroyWindow()?;
            }
            Ok(())
        }
    });
    if let Some(ok) = ok {
        let (window, entered) = (window.clone(), entered.clone());
        ok.on().bn_clicked(move || {
            let pin = match &field {
                Some(field) => take(field)?,
                None => Zeroizing::new(String::new()),
            };
            // An empty field is not an answer.
            if field.is_none() || !pin.is_empty() {
                *entered.borrow_mut() = Some(pin);
                window.hwnd().DestroyWindow()?;
            }
            Ok(())
        });
    }
    cancel.on().bn_clicked({
        let window = window.clone();
        move || Ok(window.hwnd().DestroyWindow()?)
    });
    window.run_main(None)?;
    let answer = entered.borrow_mut().take();
    Ok(answer)
}

/// Takes the PIN out of the field: its letters are overwritten there, and every copy here is wiped.
#[allow(unsafe_code)]
fn take(field: &Edit) -> winsafe::AnyResult<Zeroizing<String>> {
    let mut letters = Zeroizing::new([0_u16; MOST_LETTERS + 1]);
    // SAFETY: the message writes at most as many letters as the buffer is long, and keeps nothing. The
    // library's safe function for this leaves a copy behind that it does not wipe.
    let length =
        unsafe { field.hwnd().SendMessage(msg::WmGetText { buffer: letters.as_mut_slice() }) };
    let letters = &letters[..(length as usize).min(MOST_LETTERS)];
    // As long as it may become: growing would leave copies behind.
    let mut pin = Zeroizing::new(String::with_capacity(3 * MOST_LETTERS));
    for letter in char::decode_utf16(letters.iter().copied()) {
        pin.push(letter?);
    }
    field.set_text(&"*".repeat(letters.len()))?;
    field.set_text("")?;
    Ok(pin)
}

/// Lines that a text takes, long ones broken.
fn lines(text: &str) -> i32 {
    let width = |line: &str| line.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>();
    let lines = text.lines().map(|line| width(line).div_ceil(LETTERS_A_LINE).max(1)).sum::<usize>();
    i32::try_from(lines).unwrap_or(i32::MAX / LINE)
}

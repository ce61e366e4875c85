//! Colours that can be read on light and on dark, and what stands in for them without colours.

use ratatui::style::{Color, Modifier, Style};

use crate::demo::board::{Link, Tone};

/// How things are set off from each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    /// With colours.
    pub(crate) colours: bool,
}

impl Palette {
    /// Without colours where `NO_COLOR` is set to anything.
    pub(crate) fn from_env() -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colours: !forbidden,
        }
    }

    /// Of little interest.
    pub(crate) const fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Stands out.
    pub(crate) const fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Keys, numbers to look at.
    pub(crate) const fn accent(self) -> Style {
        self.colour(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// As good as the news.
    pub(crate) const fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Good => self.colour(Color::Green),
            Tone::Plain => Style::new(),
            Tone::Bad => self.colour(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    /// As well as a link is.
    pub(crate) const fn link(self, link: Link) -> Style {
        match link {
            Link::Up => self.tone(Tone::Good),
            Link::Starting => self.colour(Color::Cyan),
            Link::Away(_) => self.tone(Tone::Bad),
        }
    }

    /// A colour of its own, where there are colours.
    pub(crate) const fn colour(self, colour: Color) -> Style {
        if self.colours {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }
}

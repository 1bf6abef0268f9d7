export type Theme = 'system' | 'light' | 'dark';

const KEY = 'walcast-theme';
const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };

export function chosenTheme(): Theme {
  const chosen = localStorage.getItem(KEY);
  return chosen === 'light' || chosen === 'dark' ? chosen : 'system';
}

export const nextTheme = (theme: Theme): Theme => NEXT[theme];

/** Charts are painted with the colours in force: they listen for this. */
export const THEMED = 'walcast-themed';

export function applyTheme(theme: Theme) {
  if (theme === 'system') {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(KEY, theme);
    document.documentElement.dataset.theme = theme;
  }
  dispatchEvent(new Event(THEMED));
}

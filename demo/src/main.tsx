import { render } from 'preact';
import { App } from './app';
import { Desk, DeskProvider } from './desk';
import { myName } from './person';
import './style.css';
import './panels.css';
import { applyTheme, chosenTheme } from '../../dashboard/src/theme';

applyTheme(chosenTheme());
const root = document.getElementById('app');
if (root) {
  render(
    <DeskProvider value={new Desk(myName())}>
      <App />
    </DeskProvider>,
    root,
  );
}

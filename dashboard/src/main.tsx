import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import { App } from './app';
import { Connection } from './connection';
import './style.css';
import { applyTheme, chosenTheme } from './theme';

applyTheme(chosenTheme());
const root = document.getElementById('app');
if (root) render(<App connection={new Connection()} />, root);

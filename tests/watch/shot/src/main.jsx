// One dashboard, named in the address, with the data that shot.py wrote beside it.
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import { ThemeContext } from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { theme } from './frames';
import { Picture } from './pictures';

const CELL = 38;
const columns = (count) => (count * (window.innerWidth - 24)) / 24;

function Board({ name, dashboard, panels, range, about }) {
  const bottom = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * CELL;
  return (
    <>
      <div className="title" data-dashboard={name}>
        {dashboard.title} <span>{about}</span>
      </div>
      <div className="board" style={{ height: bottom }}>
        {dashboard.panels.map((panel) => {
          const { x, y, w, h } = panel.gridPos;
          const place = { left: columns(x), top: y * CELL, width: columns(w) - 8, height: h * CELL - 8 };
          return (
            <div className="place" style={place} key={panel.id}>
              {panel.type === 'row' ? (
                <div className="row">{panel.title}</div>
              ) : (
                <PanelChrome title={panel.title} description={panel.description} width={place.width} height={place.height}>
                  {(width, height) => <Picture panel={panel} shown={panels[panel.id]} range={range} width={width} height={height} />}
                </PanelChrome>
              )}
            </div>
          );
        })}
      </div>
    </>
  );
}

// The components measure their texts as they draw them.
await Promise.all(['400 14px Inter', '500 14px Inter'].map((font) => document.fonts.load(font)));

const name = new URLSearchParams(window.location.search).get('dashboard');
const shown = await (await fetch(`/data/${name}.json`)).json();
createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <Board name={name} {...shown} />
  </ThemeContext.Provider>
);

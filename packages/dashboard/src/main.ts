import { showDashboard } from './show-dashboard.tsx';

showDashboard(document.querySelector('#app') ?? document.body);
